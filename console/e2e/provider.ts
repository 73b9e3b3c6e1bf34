import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A provider of language models of ours, on a free port: it answers as a test says, over the protocol of chat completions. */
export class Provider {
  private constructor(private readonly server: HttpServer) {}

  static async start(answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>): Promise<Provider> {
    const server = createServer((request, response) => void answer(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new Provider(server)
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  /** What makes the agents that name no model of their own think with this one. */
  get settings(): Record<string, string> {
    return {
      'models.answering': 'first',
      'models.first__provider': 'openai',
      'models.first__model': 'm',
      'models.first__base_url': `${this.url}/v1`,
    }
  }

  stop(): void {
    this.server.closeAllConnections()
    this.server.close()
  }
}

/** Begins an answer that comes in pieces. */
export function begin(response: ServerResponse): void {
  response.setHeader('content-type', 'text/event-stream')
}

/** A piece of it. */
export function say(response: ServerResponse, delta: object): void {
  response.write(`data: ${JSON.stringify({ choices: [{ delta }] })}\n\n`)
}

/** Ends it. */
export function end(response: ServerResponse): void {
  response.write(`data: ${JSON.stringify({ choices: [{ delta: {}, finish_reason: 'stop' }] })}\n\n`)
  response.end('data: [DONE]\n\n')
}
