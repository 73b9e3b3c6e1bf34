import type { Page, WebSocketRoute } from 'playwright-core'

const AT = '2026-01-01T00:00:00.000Z'

export type Frame = Record<string, unknown>

/**
 * A session as a model that streams word by word would bring about, or a year of questions: what the embedded model and the time of a
 * test do not. Its frames and its past are made up; everything else comes from the real server.
 */
export class MadeUpSession {
  readonly id = '01890000-0000-7000-8000-00000000feed'
  private socket: WebSocketRoute | undefined
  private seq: number

  constructor(private readonly past: Frame[] = []) {
    this.seq = past.length
  }

  async install(page: Page): Promise<void> {
    const session = { id: this.id, startTime: AT, lastActivity: AT, totalTokens: 0, totalCost: 0, messageCount: this.past.length }
    await page.route(`**/api/session/${this.id}`, (route) => route.fulfill({ json: { ...session, state: 'idle' } }))
    await page.route(`**/api/session/${this.id}/events*`, (route) => {
      const query = new URL(route.request().url()).searchParams
      const after = Number(query.get('after_seq'))
      const events = this.past.slice(after, after + Number(query.get('limit')))
      return route.fulfill({ json: { events, lastSeq: this.seq } })
    })
    await page.route(`**/api/session/${this.id}/feedback*`, (route) => route.fulfill({ json: { feedback: [], hasMore: false } }))
    const agents = [['technical', 'Technical', 'blue'] as const].map(([id, name, color]) => ({
      id,
      name,
      color,
      status: 'idle',
      model: 'made-up',
      tokensUsed: 0,
      cost: 0,
    }))
    await page.routeWebSocket(/\/api\/ws/, (socket) => {
      this.socket = socket
      socket.onMessage((text) => {
        if (String(text).includes('"ping"')) this.send({ type: 'pong', data: {} })
      })
      this.send({ type: 'session_ready', data: { session, agents, epoch: 'made-up', lastSeq: this.seq, recovered: true } })
    })
  }

  send(frame: Frame): void {
    this.socket?.send(JSON.stringify({ sessionId: this.id, at: AT, ...frame }))
  }

  durable(turnId: string, type: string, data: Frame): void {
    this.seq += 1
    this.send({ seq: this.seq, turnId, type, data })
  }

  ask(turnId: string, content: string): void {
    this.durable(turnId, 'message_accepted', { message: message(this.id, `${turnId}-q`, 'user', content), clientMessageId: `${turnId}-c` })
    this.durable(turnId, 'agent_status', { agent: 'technical', status: 'active' })
  }

  complete(turnId: string, content: string): void {
    this.durable(turnId, 'message_completed', completed(this.id, turnId, content))
  }
}

export function completed(sessionId: string, turnId: string, content: string): Frame {
  return {
    message: { ...message(sessionId, `${turnId}-a`, 'assistant', content), agent: 'technical', confidence: 0.9 },
    metrics: { tokensUsed: 1, cost: 0, latency: 5, cache_status: 'none' },
    citations: [],
  }
}

export function message(sessionId: string, id: string, role: 'user' | 'assistant', content: string): Frame {
  return { id, role, content, timestamp: AT, sessionId }
}

/** `turns` questions and answers, with `steps` steps each: the durable events of a long life. */
export function longPast(sessionId: string, turns: number, steps: number): Frame[] {
  const events: Frame[] = []
  const add = (turnId: string, type: string, data: Frame) =>
    events.push({ seq: events.length + 1, sessionId, turnId, at: AT, type, data })
  for (let turn = 0; turn < turns; turn += 1) {
    const id = `turn-${turn}`
    add(id, 'message_accepted', { message: message(sessionId, `${id}-q`, 'user', `Question ${turn}`), clientMessageId: `${id}-c` })
    for (let step = 0; step < steps; step += 1) {
      add(id, 'retrieval_log', {
        id: `${id}-${step}`,
        type: 'routing',
        title: `Step ${step} of question ${turn}`,
        timestamp: AT,
        status: 'success',
        sessionId,
        messageId: `${id}-q`,
        data: { intent: 'DOMAIN_QUESTION', confidence: 0.9, target_agent: 'technical', reasoning: 'made up' },
      })
    }
    add(id, 'message_completed', completed(sessionId, id, `Answer ${turn} with **some** words.`))
  }
  return events
}
