// One unmodified Socket.IO client, driven by lines of JSON: commands on standard input, events on standard output.
//
//   node client.mjs --url http://127.0.0.1:8080 [--path /socket.io] [--transport websocket]
//
// Events:   connect {transport} · upgrade {transport} · refused {message, status?} · disconnect {reason} · heard {name, data}
// Commands: {do: "emit", name, data}

import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { io } from 'socket.io-client'

const { values: options } = parseArgs({
	options: {
		url: { type: 'string' },
		path: { type: 'string' },
		transport: { type: 'string' }
	}
})

const tell = event => process.stdout.write(`${JSON.stringify(event)}\n`)
const transport = () => socket.io.engine?.transport?.name

const socket = io(options.url, {
	...(options.path && { path: options.path }),
	...(options.transport && { transports: [options.transport] }),
	reconnection: false
})
socket.on('connect', () => {
	tell({ event: 'connect', transport: transport() })
	socket.io.engine.on('upgrade', () => tell({ event: 'upgrade', transport: transport() }))
})
socket.on('connect_error', error => tell({ event: 'refused', message: error.message, status: error.context?.status }))
socket.on('disconnect', reason => tell({ event: 'disconnect', reason }))
socket.onAny((name, data) => tell({ event: 'heard', name, data }))

const commands = {
	emit: ({ name, data }) => socket.emit(name, data)
}
for await (const line of createInterface({ input: process.stdin })) {
	const command = JSON.parse(line)
	commands[command.do](command)
}
socket.close()
