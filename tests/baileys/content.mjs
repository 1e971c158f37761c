// Messages of every kind for the Baileys client: contents from JSON, files, votes, responses to events, calls.
//
// It only translates between JSON and Baileys; encryption, uploads and downloads are Baileys' own. The one exception are
// votes and responses that are sent: Baileys can read but not write them, so they are encrypted here with Node's crypto.

import { createCipheriv, createHash, createHmac, randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { decryptEventResponse, decryptPollVote, downloadMediaMessage, jidNormalizedUser, proto } from 'baileys'

// Files up to this size are reported with their bytes, larger ones by digest and length only.
const LARGEST_REPORTED = 4 * 1024 * 1024
// How many messages are remembered for later commands.
const REMEMBERED = 2_000

const messages = new Map()

// Keeps a message, sent or received, for commands that name it.
export function remember(message) {
	if (!message?.key?.id || !message.message) return
	messages.set(message.key.id, message)
	if (messages.size > REMEMBERED) messages.delete(messages.keys().next().value)
}

export function recall(id) {
	const message = messages.get(id)
	if (!message) throw new Error(`there is no message ${id}`)
	return message
}

// JSON has no bytes, files and dates: {base64: "…"}, {path: "…"} and {date: milliseconds} stand for them; {message: id} stands
// for a message that was sent or received, {key: id} for its key.
export function revive(value) {
	if (Array.isArray(value)) return value.map(revive)
	if (value === null || typeof value !== 'object') return value
	const names = Object.keys(value)
	if (names.length === 1) {
		const [name] = names
		if (name === 'base64') return Buffer.from(value.base64, 'base64')
		if (name === 'path') return { url: value.path }
		if (name === 'date') return new Date(value.date)
		if (name === 'message') return recall(value.message)
		if (name === 'key' && typeof value.key === 'string') return recall(value.key).key
	}
	return Object.fromEntries(names.map(name => [name, revive(value[name])]))
}

// The protobuf as plain JSON: bytes in base64, enumerations as names.
export function plain(content) {
	return proto.Message.toObject(proto.Message.fromObject(content ?? {}), { bytes: String, enums: String, longs: Number })
}

const secretOf = message => message.messageContextInfo?.messageSecret
const withoutDevice = jid => (jid ? jidNormalizedUser(jid) : undefined)

// All spellings of the people that may have made the key: Baileys' user, and who sent the message.
function spellings(user, key) {
	const own = [user.id, user.lid].map(withoutDevice)
	const other = [key.participant, key.participantAlt, key.remoteJid, key.remoteJidAlt].map(withoutDevice)
	return { own: own.filter(Boolean), other: other.filter(jid => jid && !jid.endsWith('@g.us')) }
}

// The first outcome of `attempt` for any spelling of author and sender.
function firstThatFits(user, parent, key, attempt) {
	const sides = (of, fromMe) => spellings(user, of)[fromMe ? 'own' : 'other']
	for (const author of sides(parent.key, parent.key.fromMe)) {
		for (const sender of sides(key, key.fromMe)) {
			try {
				return attempt(author, sender)
			} catch {
				// Another spelling may fit.
			}
		}
	}
	return undefined
}

function pollOf(content) {
	return content.pollCreationMessage ?? content.pollCreationMessageV2 ?? content.pollCreationMessageV3
}

const digest = option => createHash('sha256').update(option).digest()

// {poll, options} for a vote, {target, response} for a response to an event, both with the sender; undefined for everything else and for
// what cannot be read.
export function readSecret(user, message) {
	const { pollUpdateMessage: update, encEventResponseMessage: answer } = message.message ?? {}
	const parent = messages.get((update?.pollCreationMessageKey ?? answer?.eventCreationMessageKey)?.id)
	const secret = parent && secretOf(parent.message)
	if (!secret) return undefined
	const id = parent.key.id
	if (update) {
		const vote = firstThatFits(user, parent, message.key, (pollCreatorJid, voterJid) =>
			decryptPollVote(update.vote, { pollCreatorJid, pollMsgId: id, pollEncKey: secret, voterJid })
		)
		const names = pollOf(parent.message)?.options?.map(option => option.optionName) ?? []
		const name = hash => names.find(known => digest(known).equals(Buffer.from(hash))) ?? Buffer.from(hash).toString('hex')
		return vote && { kind: 'vote', poll: id, options: vote.selectedOptions.map(name) }
	}
	const response = firstThatFits(user, parent, message.key, (eventCreatorJid, responderJid) =>
		decryptEventResponse(answer, { eventCreatorJid, eventMsgId: id, eventEncKey: secret, responderJid })
	)
	const names = proto.Message.EventResponseMessage.EventResponseType
	return response && { kind: 'event_response', target: id, response: names[response.response] }
}

function seal(parent, author, sender, purpose, plaintext) {
	const id = parent.key.id
	const extracted = createHmac('sha256', Buffer.alloc(32)).update(secretOf(parent.message)).digest()
	const info = Buffer.concat([Buffer.from(`${id}${author}${sender}${purpose}`), Buffer.from([1])])
	const key = createHmac('sha256', extracted).update(info).digest()
	const encIv = randomBytes(12)
	const cipher = createCipheriv('aes-256-gcm', key, encIv)
	cipher.setAAD(Buffer.from(`${id}\u0000${sender}`))
	const encPayload = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
	return { encPayload, encIv }
}

// The author as the own side knows it, and the own address in the same spelling.
function addresses(user, parent) {
	const { own, other } = spellings(user, parent.key)
	const author = parent.key.fromMe ? own[0] : other[0]
	const byLid = author.endsWith('@lid')
	return { author, sender: own.find(jid => jid.endsWith('@lid') === byLid) ?? own[0] }
}

export function vote(user, { poll, options }) {
	const parent = recall(poll)
	const { author, sender } = addresses(user, parent)
	const choice = proto.Message.PollVoteMessage.encode({ selectedOptions: options.map(digest) }).finish()
	return {
		to: parent.key.remoteJid,
		message: {
			pollUpdateMessage: {
				pollCreationMessageKey: parent.key,
				vote: seal(parent, author, sender, 'Poll Vote', choice),
				senderTimestampMs: Date.now()
			}
		}
	}
}

export function respond(user, { event, response }) {
	const parent = recall(event)
	const { author, sender } = addresses(user, parent)
	const types = proto.Message.EventResponseMessage.EventResponseType
	const answer = proto.Message.EventResponseMessage.encode({ response: types[response], timestampMs: Date.now() }).finish()
	return {
		to: parent.key.remoteJid,
		message: {
			encEventResponseMessage: {
				eventCreationMessageKey: parent.key,
				...seal(parent, author, sender, 'Event Response', answer)
			}
		}
	}
}

// Downloads and decrypts the file of a message, piece by piece.
export async function download({ id, path, from, to }) {
	const range = from === undefined ? {} : { startByte: from, endByte: to }
	const stream = await downloadMediaMessage(recall(id), 'stream', range)
	const hash = createHash('sha256')
	const file = path ? createWriteStream(path) : undefined
	const pieces = []
	let length = 0
	for await (const piece of stream) {
		hash.update(piece)
		length += piece.length
		file?.write(piece)
		if (length <= LARGEST_REPORTED) pieces.push(piece)
	}
	await new Promise(resolve => (file ? file.end(resolve) : resolve()))
	const base64 = length <= LARGEST_REPORTED ? Buffer.concat(pieces).toString('base64') : undefined
	return { id, sha256: hash.digest('hex'), length, base64 }
}
