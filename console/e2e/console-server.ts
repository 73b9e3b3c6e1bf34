import { readFile } from 'node:fs/promises'
import { createServer, request as httpRequest } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { extname, join, normalize } from 'node:path'

export type ConsoleServer = { url: string; close: () => Promise<void> }

const DIST = join(import.meta.dirname, '../dist')

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.webmanifest': 'application/manifest+json',
}

export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "font-src 'self'",
  "worker-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/**
 * Serves `dist` as the binary does, and passes `/api` on to it: for a binary that was built without the console. Origin and
 * host are passed on as the binary's own, for to the browser there is but one site.
 */
export async function serveConsole(apiPort: () => number): Promise<ConsoleServer> {
  const sockets = new Set<Socket>()
  const own = (headers: NodeJS.Dict<string | string[]>) => {
    const host = `127.0.0.1:${apiPort()}`
    return { ...headers, host, ...(headers['origin'] === undefined ? {} : { origin: `http://${host}` }) }
  }
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/api')) {
      const passed = httpRequest(
        { port: apiPort(), path: request.url, method: request.method, headers: own(request.headers) },
        (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers)
          answer.pipe(response)
        },
      )
      passed.on('error', () => response.destroy())
      request.pipe(passed)
      return
    }
    const path = normalize(new URL(request.url ?? '/', 'http://console').pathname)
    void readFile(join(DIST, path)).then(
      (bytes) => reply(path, bytes),
      () => readFile(join(DIST, 'index.html')).then((bytes) => reply('index.html', bytes)),
    )
    function reply(name: string, bytes: Buffer) {
      response.writeHead(200, {
        'content-type': TYPES[extname(name)] ?? 'application/octet-stream',
        'content-security-policy': CONTENT_SECURITY_POLICY,
        'x-content-type-options': 'nosniff',
      })
      response.end(bytes)
    }
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('upgrade', (request, socket: Socket, head) => {
    const upstream = connect(apiPort(), '127.0.0.1', () => {
      const headers = Object.entries(own(request.headers)).flatMap(([name, value]) =>
        [value ?? []].flat().map((one) => `${name}: ${one}`),
      )
      upstream.write([`GET ${request.url ?? '/'} HTTP/1.1`, ...headers, '', ''].join('\r\n'))
      upstream.write(head)
      upstream.pipe(socket).pipe(upstream)
    })
    upstream.on('error', () => socket.destroy())
    upstream.on('close', () => socket.destroy())
    socket.on('error', () => upstream.destroy())
    socket.on('close', () => upstream.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
