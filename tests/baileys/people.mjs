// What a Baileys client can do about people, their profiles, the app state and history: commands and events of client.mjs.
//
// Commands: {do: "about", text} · {do: "look-up", who} · {do: "exists", numbers} · {do: "picture", data?} · {do: "privacy", category, value}
//           {do: "read-privacy"} · {do: "block", who, on} · {do: "read-blocked"} · {do: "timer", seconds} · {do: "modify", change, chat}
//           {do: "older", chat, id, from_me, timestamp, count} · {do: "name", name}
// Events:   answer {do, value} · history {kind, chats, messages, names, progress, session} · contact {…} · blocked {who, type}
//           deleted-chat {chat} · deleted-message {chat, id} · label {…} · labelled {type, association} · starred {id, starred}
//           account {name?, timer?}

import { proto } from 'baileys'

const privacySetters = {
	last: 'updateLastSeenPrivacy',
	online: 'updateOnlinePrivacy',
	profile: 'updateProfilePicturePrivacy',
	status: 'updateStatusPrivacy',
	readreceipts: 'updateReadReceiptsPrivacy',
	groupadd: 'updateGroupsAddPrivacy',
	calladd: 'updateCallPrivacy',
	messages: 'updateMessagesPrivacy'
}

export function watchPeople(socket, emit) {
	socket.ev.on('messaging-history.set', history =>
		emit('history', {
			kind: proto.HistorySync.HistorySyncType[history.syncType] ?? history.syncType,
			progress: history.progress,
			session: history.peerDataRequestSessionId,
			chats: history.chats.map(chat => ({
				id: chat.id,
				name: chat.name,
				unread: chat.unreadCount,
				archived: chat.archived,
				pinned: chat.pinned ? Number(chat.pinned) : undefined
			})),
			names: history.contacts.map(contact => ({ id: contact.id, name: contact.name, notify: contact.notify })),
			messages: history.messages.map(message => ({
				id: message.key.id,
				chat: message.key.remoteJid,
				from_me: Boolean(message.key.fromMe),
				text: message.message?.conversation,
				timestamp: Number(message.messageTimestamp)
			}))
		})
	)
	socket.ev.on('contacts.update', contacts => contacts.forEach(contact => emit('contact', contact)))
	socket.ev.on('contacts.upsert', contacts => contacts.forEach(contact => emit('contact', contact)))
	socket.ev.on('blocklist.update', ({ blocklist, type }) => blocklist.forEach(who => emit('blocked', { who, type })))
	socket.ev.on('chats.delete', chats => chats.forEach(chat => emit('deleted-chat', { chat })))
	socket.ev.on('messages.delete', ({ keys }) =>
		keys?.forEach(key => emit('deleted-message', { chat: key.remoteJid, id: key.id }))
	)
	socket.ev.on('labels.edit', label => emit('label', label))
	socket.ev.on('labels.association', labelled => emit('labelled', labelled))
	socket.ev.on('messages.update', updates =>
		updates
			.filter(({ update }) => update.starred !== undefined)
			.forEach(({ key, update }) => emit('starred', { id: key.id, starred: update.starred }))
	)
	socket.ev.on('creds.update', creds => {
		if (creds.me?.name || creds.accountSettings?.defaultDisappearingMode) {
			emit('account', {
				name: creds.me?.name,
				timer: creds.accountSettings?.defaultDisappearingMode?.ephemeralExpiration
			})
		}
	})
}

export function peopleCommands(socket, emit) {
	const answer = (name, value) => emit('answer', { do: name, value })
	return {
		about: ({ text }) => socket().updateProfileStatus(text),
		name: ({ name }) => socket().updateProfileName(name),
		exists: async ({ numbers }) => answer('exists', await socket().onWhatsApp(...numbers)),
		'look-up': async ({ who }) => {
			const status = await socket().fetchStatus(who)
			const timer = await socket().fetchDisappearingDuration(who)
			answer('look-up', {
				about: status?.[0]?.status?.status,
				timer: timer?.[0]?.disappearing_mode?.duration,
				picture: await socket().profilePictureUrl(who, 'image'),
				business: await socket().getBusinessProfile(who)
			})
		},
		picture: ({ data }) =>
			data
				? socket().updateProfilePicture(socket().user.id, Buffer.from(data, 'base64'))
				: socket().removeProfilePicture(socket().user.id),
		privacy: ({ category, value }) => socket()[privacySetters[category]](value),
		'read-privacy': async () => answer('read-privacy', await socket().fetchPrivacySettings(true)),
		block: ({ who, on }) => socket().updateBlockStatus(who, on ? 'block' : 'unblock'),
		'read-blocked': async () => answer('read-blocked', await socket().fetchBlocklist()),
		timer: ({ seconds }) => socket().updateDefaultDisappearingMode(seconds),
		modify: ({ change, chat }) => socket().chatModify(change, chat ?? ''),
		older: async ({ chat, id, from_me: fromMe, timestamp, count }) =>
			answer('older', await socket().fetchMessageHistory(count, { remoteJid: chat, id, fromMe }, timestamp))
	}
}
