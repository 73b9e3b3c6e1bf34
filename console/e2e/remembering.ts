import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Server } from './server'

const AGENTS = join(import.meta.dirname, '../../config/agents')

/**
 * A server that keeps what people say of themselves, whose technical agent thinks with a language model. The model is one of ours behind the
 * provider's protocol: it wants to keep the first sentence of a message that begins with "I", and answers.
 */
export class Remembering {
  private constructor(
    readonly server: Server,
    private readonly folder: string,
    private readonly upstream: HttpServer,
  ) {}

  static async start(): Promise<Remembering> {
    const upstream = createServer((request, response) => void answer(request, response))
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
    const folder = await mkdtemp(join(tmpdir(), 'orchestratai-remembering-'))
    await cp(AGENTS, join(folder, 'agents'), { recursive: true })
    const path = join(folder, 'agents', 'technical.toml')
    const file = await readFile(path, 'utf8')
    await writeFile(path, `tools = ["remember_fact", "forget_fact"]\n${file.replace(/^tools = .*$/m, '')}`)
    const settings = {
      'agents.dir': join(folder, 'agents'),
      'memory.enabled': 'true',
      'models.answering': 'first',
      'models.first__provider': 'openai',
      'models.first__model': 'm',
      'models.first__base_url': `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/v1`,
    }
    return new Remembering(await Server.start({ settings }), folder, upstream)
  }

  /** A session of a user; gives its id. */
  async sessionOf(userId: string): Promise<string> {
    const made = await fetch(`${this.server.apiUrl}/api/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ userId }),
    })
    return ((await made.json()) as { session_id: string }).session_id
  }

  async stop(): Promise<void> {
    await this.server.stop()
    this.upstream.closeAllConnections()
    this.upstream.close()
    await rm(this.folder, { recursive: true, force: true })
  }
}

type Asked = { messages: { role: string; content?: string }[] }

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { messages } = JSON.parse(await text(request)) as Asked
  const asked = messages.findLast(({ role }) => role === 'user')?.content?.split('The question:\n').at(-1) ?? ''
  const fact = /^I [^.]+\./.exec(asked)?.[0]
  const hasResult = messages.some(({ role }) => role === 'tool')
  const called = { index: 0, id: 'call_1', function: { name: 'remember_fact', arguments: JSON.stringify({ fact }) } }
  const delta = fact !== undefined && !hasResult ? { tool_calls: [called] } : { content: 'See [1].' }
  response.setHeader('content-type', 'text/event-stream')
  for (const event of [{ choices: [{ delta }] }, { choices: [{ delta: {}, finish_reason: 'stop' }] }]) {
    response.write(`data: ${JSON.stringify(event)}\n\n`)
  }
  response.end('data: [DONE]\n\n')
}
