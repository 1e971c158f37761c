// One unmodified Baileys client, driven by lines of JSON: commands on standard input, events on standard output.
//
// It is the independent counterpart of our own code in tests: whatever it pairs with, sends or decrypts, it does with its
// own implementation of the protocol. It keeps its credentials in a folder, so it can be stopped and started again.
//
//   node client.mjs --url ws://127.0.0.1:4000/ws/chat --root-key <hex> --auth <folder> [--name Ada] [--qr-timeout 60000]
//
// Events:   ready · qr {qr} · code {code} · open {id, lid} · close {status, reason} · sent {id} · done {do}
//           message {id, from, participant?, sender_alt?, from_me, status, text, type, kind} · update {id, chat, from_me, status}
//           group {id, subject} · participants {id, author, action, participants} (a message of a change has stub and stub_parameters)
//           receipt {id, chat, from, type} · presence {chat, from, state} · chat {id, archived?, muteEndTime?, …} · failed {do, message}
// Commands: {do: "send", to, text, id?} · {do: "read", chat, ids, participant?} · {do: "typing", to, state?}
//           {do: "subscribe", to} · {do: "presence", state} · {do: "react", to, id, emoji, from_me?}
//           {do: "edit", to, id, text} · {do: "revoke", to, id} · {do: "archive", chat, on} · {do: "mute", chat, until}
//           {do: "status", to: [jid], text} · {do: "invoke", method, args} → result {method, value}: any method of the socket
//           {do: "pair-code", phone, code?} · {do: "logout"} · {do: "end"}
// More of both about people, app state and history: people.mjs.
//
// Every kind of message (see content.mjs for how bytes, files and earlier messages are written in JSON):
// Events:   message also has content {…} · sent also has content {…} · media {id, sha256, length, base64?} · reuploaded {id, direct_path}
//           vote {id, poll, options, from, participant?} · event-response {id, target, response, from} · call {id, from, chat, status, video, group}
// Commands: {do: "send-content", to, content, options?, id?} · {do: "relay", to, message} · {do: "download", id, path?, from?, to?}
//           {do: "reupload", id} · {do: "vote", poll, options} · {do: "respond", event, response: "GOING"} · {do: "reject-call", id, from}

import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import makeWASocket, { useMultiFileAuthState, WA_CERT_DETAILS } from 'baileys'
import pino from 'pino'
import { peopleCommands, watchPeople } from './people.mjs'
import { download, plain, readSecret, recall, remember, respond, revive, vote } from './content.mjs'

const RESTART_REQUIRED = 515

const { values: options } = parseArgs({
	options: {
		url: { type: 'string' },
		'root-key': { type: 'string' },
		auth: { type: 'string' },
		name: { type: 'string' },
		'qr-timeout': { type: 'string' },
		log: { type: 'string', default: 'silent' }
	}
})
for (const required of ['url', 'root-key', 'auth']) {
	if (!options[required]) {
		console.error(`--${required} is missing`)
		process.exit(64)
	}
}

// The Signal library under Baileys prints sessions, keys included, wherever `console` leads. Standard output is ours.
for (const method of ['log', 'info', 'warn', 'error', 'debug']) {
	console[method] = () => {}
}

// Exported and read at every handshake, so nothing needs to be patched (Baileys Utils/noise-handler.ts). Note that rc14 does
// not look at the outcome of any signature check (Utils/crypto.ts, `Curve.verify`), so it would accept another root too.
WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(options['root-key'], 'hex')

const logger = pino({ level: options.log }, pino.destination(2))
const { state, saveCreds } = await useMultiFileAuthState(options.auth)

// What this client has sent, for those who ask for it again. On one machine they can ask before `sendMessage` has returned,
// so the question may have to wait for it.
const sent = new Map()
const SENDING_TIME = 5_000
const LOOK_AGAIN = 20

async function findSent(key) {
	for (let waited = 0; !sent.has(key.id) && waited < SENDING_TIME; waited += LOOK_AGAIN) {
		await new Promise(resolve => setTimeout(resolve, LOOK_AGAIN))
	}
	return sent.get(key.id)
}

let socket
let offeredQr

function emit(event, fields = {}) {
	process.stdout.write(JSON.stringify({ event, ...fields }) + '\n')
}

function connect() {
	offeredQr = Promise.withResolvers ? Promise.withResolvers() : deferred()
	socket = makeWASocket({
		auth: state,
		waWebSocketUrl: options.url,
		logger,
		pushName: options.name,
		qrTimeout: options['qr-timeout'] ? Number(options['qr-timeout']) : undefined,
		getMessage: findSent,
		// Link previews would fetch pages from the internet.
		generateHighQualityLinkPreview: false
	})
	socket.ev.on('creds.update', saveCreds)
	socket.ev.on('connection.update', connectionChanged)
	socket.ev.on('messages.upsert', ({ messages, type }) => messages.forEach(message => report(message, type)))
	socket.ev.on('messages.update', updates => updates.forEach(reportUpdate))
	socket.ev.on('message-receipt.update', updates => updates.forEach(reportReceipt))
	socket.ev.on('presence.update', reportPresence)
	socket.ev.on('call', calls => calls.forEach(reportCall))
	socket.ev.on('groups.upsert', groups => groups.forEach(({ id, subject }) => emit('group', { id, subject })))
	socket.ev.on('group-participants.update', reportParticipants)
	socket.ev.on('chats.update', updates => updates.forEach(reportChat))
	watchPeople(socket, emit)
}

function deferred() {
	const parts = {}
	parts.promise = new Promise(resolve => (parts.resolve = resolve))
	return parts
}

function connectionChanged({ connection, qr, lastDisconnect }) {
	if (qr) {
		offeredQr.resolve()
		emit('qr', { qr })
	}
	if (connection === 'open') {
		emit('open', { id: socket.user.id, lid: socket.user.lid })
	}
	if (connection === 'close') {
		const status = lastDisconnect?.error?.output?.statusCode
		emit('close', { status, reason: lastDisconnect?.error?.message })
		if (status === RESTART_REQUIRED) {
			connect()
		}
	}
}

function report(message, type) {
	const content = message.message ?? {}
	remember(message)
	reportSecret(message)
	const { text, kind } = describe(content)
	emit('message', {
		id: message.key.id,
		from: message.key.remoteJid,
		participant: message.key.participant || undefined,
		sender_alt: message.key.remoteJidAlt || undefined,
		from_me: Boolean(message.key.fromMe),
		push_name: message.pushName || undefined,
		// A receipt that comes while the message is being sent is merged into it and causes no update of its own.
		status: message.status,
		text,
		kind,
		content: plain(content),
		type,
		stub: message.messageStubType || undefined,
		stub_parameters: message.messageStubParameters?.length ? message.messageStubParameters : undefined
	})
	// What came together with the message is told with it and not again.
	for (const receipt of message.userReceipt ?? []) {
		reportReceipt({ key: message.key, receipt })
	}
}

function reportSecret(message) {
	const secret = readSecret(socket.user, message)
	if (!secret) return
	const { id, remoteJid: from, participant } = message.key
	const { kind, ...rest } = secret
	emit(kind === 'vote' ? 'vote' : 'event-response', { id, from, participant: participant || undefined, ...rest })
}

function reportCall({ id, from, chatId: chat, status, isVideo: video, isGroup: group, offline }) {
	emit('call', { id, from, chat, status, video, group, offline })
}

function describe(content) {
	const inner = content.editedMessage?.message ?? content
	if (inner.conversation) return { kind: 'text', text: inner.conversation }
	if (inner.extendedTextMessage) return { kind: 'text', text: inner.extendedTextMessage.text }
	if (inner.reactionMessage) return { kind: 'reaction', text: inner.reactionMessage.text }
	if (inner.protocolMessage) {
		const edited = inner.protocolMessage.editedMessage
		if (edited) return { kind: 'edit', text: edited.conversation ?? edited.extendedTextMessage?.text }
		return { kind: 'protocol' }
	}
	return { kind: Object.keys(inner)[0] ?? 'empty' }
}

function reportUpdate({ key, update }) {
	emit('update', {
		id: key.id,
		chat: key.remoteJid,
		from_me: Boolean(key.fromMe),
		status: update.status,
		edited: update.message ? describe(update.message).text : undefined,
		revoked: update.messageStubType === 1 ? true : undefined,
		error: update.messageStubParameters?.[0]
	})
}

function reportReceipt({ key, receipt }) {
	const type = receipt.readTimestamp ? 'read' : 'delivered'
	emit('receipt', { id: key.id, chat: key.remoteJid, from: receipt.userJid, type })
}

function reportPresence({ id, presences }) {
	for (const [from, presence] of Object.entries(presences)) {
		emit('presence', { chat: id, from, state: presence.lastKnownPresence })
	}
}

function reportParticipants({ id, author, action, participants }) {
	emit('participants', { id, author, action, participants: participants.map(participant => participant.id ?? participant) })
}

function reportChat({ id, archived, muteEndTime, pinned, unreadCount }) {
	emit('chat', { id, archived, muteEndTime, pinned, unreadCount })
}

async function sendContent(to, content, id, options = {}) {
	const message = await socket.sendMessage(to, content, id ? { ...options, messageId: id } : options)
	sent.set(message.key.id, message.message)
	remember(message)
	emit('sent', { id: message.key.id, content: plain(message.message) })
}

async function relay({ to, message }) {
	const id = await socket.relayMessage(to, message, {})
	sent.set(id, message)
	remember({ key: { remoteJid: to, fromMe: true, id }, message })
	emit('sent', { id, content: plain(message) })
}

const commands = {
	send: ({ to, text, id }) => sendContent(to, { text }, id),
	'send-content': ({ to, content, options, id }) => sendContent(to, revive(content), id, revive(options ?? {})),
	relay: ({ to, message }) => relay({ to, message: revive(message) }),
	vote: command => relay(vote(socket.user, command)),
	respond: command => relay(respond(socket.user, command)),
	download: async command => emit('media', await download(command)),
	reupload: async ({ id }) => {
		// Where the media store is: Baileys takes WhatsApp's own before it has asked.
		await socket.refreshMediaConn()
		const message = await socket.updateMediaMessage(recall(id))
		const content = Object.values(message.message).find(part => part?.directPath)
		emit('reuploaded', { id, direct_path: content?.directPath })
	},
	'reject-call': ({ id, from }) => socket.rejectCall(id, from),
	status: ({ to, text }) => sendContent('status@broadcast', { text }, undefined, { statusJidList: to }),
	invoke: async ({ method, args }) => emit('result', { method, value: await socket[method](...(args ?? [])) }),
	react: ({ to, id, emoji, from_me: fromMe }) =>
		sendContent(to, { react: { text: emoji, key: { remoteJid: to, id, fromMe: Boolean(fromMe) } } }),
	edit: ({ to, id, text }) => sendContent(to, { text, edit: { remoteJid: to, id, fromMe: true } }),
	revoke: ({ to, id }) => sendContent(to, { delete: { remoteJid: to, id, fromMe: true } }),
	read: ({ chat, ids, participant }) => socket.readMessages(ids.map(id => ({ remoteJid: chat, id, participant }))),
	typing: ({ to, state: typing }) => socket.sendPresenceUpdate(typing ?? 'composing', to),
	subscribe: ({ to }) => socket.presenceSubscribe(to),
	presence: ({ state: presence }) => socket.sendPresenceUpdate(presence),
	archive: ({ chat, on, id }) =>
		socket.chatModify({ archive: on, lastMessages: [lastMessage(chat, id)] }, chat),
	mute: ({ chat, until }) => socket.chatModify({ mute: until ?? null }, chat),
	...peopleCommands(() => socket, emit),
	'pair-code': async ({ phone, code }) => {
		// The server must have offered QR codes first: before that there is no session to ask on.
		await offeredQr.promise
		emit('code', { code: await socket.requestPairingCode(phone, code) })
	},
	logout: () => socket.logout(),
	end: async () => {
		await socket.end(undefined)
		await saveCreds()
		process.exit(0)
	}
}

function lastMessage(chat, id) {
	return { key: { remoteJid: chat, id: id ?? 'NONE', fromMe: false }, messageTimestamp: Math.floor(Date.now() / 1000) }
}

async function run(line) {
	let command
	try {
		command = JSON.parse(line)
		const action = commands[command.do]
		if (!action) throw new Error('there is no such command')
		await action(command)
		emit('done', { do: command.do })
	} catch (error) {
		const status = error?.status ?? error?.output?.statusCode
		emit('failed', { do: command?.do, message: String(error?.message ?? error), status })
	}
}

// A client that lost its connection must not take its process along: the test that drives it decides.
process.on('unhandledRejection', error => emit('failed', { message: String(error?.message ?? error) }))

const lines = createInterface({ input: process.stdin })
lines.on('line', run)
lines.on('close', () => process.exit(0))

emit('ready')
connect()
