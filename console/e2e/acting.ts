import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { begin, end, Provider, say } from './provider'
import { Server } from './server'

const AGENTS = join(import.meta.dirname, '../../config/agents')

/** What a message says for which the model asks for a person. */
export const FOR_A_PERSON = 'HSM'

/** What the model wants to pay back before somebody has looked at it. */
const WANTED = { body: { eur: 50 } }

/**
 * A server whose technical agent thinks with a language model and has a shop's till for a tool, which a person has to approve. The model is
 * one of ours behind the provider's protocol: it wants a refund, or a person, and then says how that went.
 */
export class Acting {
  private constructor(
    readonly server: Server,
    private readonly folder: string,
    private readonly provider: Provider,
    /** What the shop was asked to pay back, in euros. */
    readonly paid: number[],
  ) {}

  static async start(): Promise<Acting> {
    const paid: number[] = []
    const provider = await Provider.start((request, response) => answer(request, response, paid))
    const folder = await mkdtemp(join(tmpdir(), 'orchestratai-acting-'))
    await cp(AGENTS, join(folder, 'agents'), { recursive: true })
    const path = join(folder, 'agents', 'technical.toml')
    const file = await readFile(path, 'utf8')
    await writeFile(path, `tools = ["shop_*", "escalate"]\n${file.replace(/^tools = .*$/m, '')}`)
    await writeFile(join(folder, 'shop.json'), JSON.stringify(DOCUMENT))
    const settings = {
      'agents.dir': join(folder, 'agents'),
      ...provider.settings,
      'tools.shop__kind': 'openapi',
      'tools.shop__document': join(folder, 'shop.json'),
      'tools.shop__base_url': `${provider.url}/shop`,
      'tools.shop__operations': '*',
      'tools.shop__approval': 'shop_refund',
    }
    return new Acting(await Server.start({ settings }), folder, provider, paid)
  }

  async stop(): Promise<void> {
    await this.server.stop()
    this.provider.stop()
    await rm(this.folder, { recursive: true, force: true })
  }
}

const DOCUMENT = {
  openapi: '3.0.3',
  paths: {
    '/refunds': {
      post: {
        operationId: 'refund',
        summary: 'Pays back.',
        requestBody: {
          required: true,
          content: {
            'application/json': {
              schema: { type: 'object', properties: { eur: { type: 'integer' } }, required: ['eur'] },
            },
          },
        },
      },
    },
  },
}

type Asked = { messages: { role: string; content?: string }[] }

async function answer(request: IncomingMessage, response: ServerResponse, paid: number[]): Promise<void> {
  const body: unknown = JSON.parse(await text(request))
  if (request.url === '/shop/refunds') {
    const { eur } = body as { eur: number }
    paid.push(eur)
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ paid: eur }))
    return
  }
  const { messages } = body as Asked
  const result = messages.findLast(({ role }) => role === 'tool')
  const isForPerson = messages.findLast(({ role }) => role === 'user')?.content?.includes(FOR_A_PERSON) === true
  const [name, wanted] = isForPerson ? ['escalate', { reason: 'Nobody but you may do that.' }] : ['shop_refund', WANTED]
  const called = { index: 0, id: 'call_1', function: { name, arguments: JSON.stringify(wanted) } }
  const said = isForPerson ? 'A person was asked for.' : `The shop says: ${result?.content}`
  const delta = result ? { content: said } : { tool_calls: [called] }
  begin(response)
  say(response, delta)
  end(response)
}
