import type { LogStatus, LogType } from '@/api/generated/wire'
import type { Step, Turn } from '@/api/socket/view'

export type LogFilter = { type: LogType | 'all'; status: LogStatus | 'all'; agent: string }
export const NO_FILTER: LogFilter = { type: 'all', status: 'all', agent: 'all' }

export type LogRow = { key: string; kind: 'turn'; turn: Turn } | { key: string; kind: 'step'; step: Step; agent: string | undefined }

/** Who took a step: as it says, or who answers the turn. Routing is the orchestrator's. */
export function agentOfStep(turn: Turn, { log }: Step): string | undefined {
  if (log.agent !== undefined) return log.agent
  return log.type === 'routing' ? 'orchestrator' : (turn.answer?.message?.agent ?? turn.agent)
}

function matches(turn: Turn, step: Step, filter: LogFilter): boolean {
  return (
    (filter.type === 'all' || step.log.type === filter.type) &&
    (filter.status === 'all' || step.log.status === filter.status) &&
    (filter.agent === 'all' || agentOfStep(turn, step) === filter.agent)
  )
}

/** Rows of a turn, made once for each filter and each state of the turn's steps. */
export function createLogRows(filter: LogFilter): (turns: readonly Turn[]) => LogRow[] {
  const made = new WeakMap<readonly Step[], { agent: string | undefined; rows: LogRow[] }>()
  const rowsOf = (turn: Turn): LogRow[] => {
    const agent = turn.answer?.message?.agent ?? turn.agent
    const known = made.get(turn.steps)
    if (known?.agent === agent && known !== undefined) return known.rows
    const steps = turn.steps
      .filter((step) => matches(turn, step, filter))
      .map((step): LogRow => ({ key: step.log.id, kind: 'step', step, agent: agentOfStep(turn, step) }))
    const rows: LogRow[] = steps.length === 0 ? [] : [{ key: turn.id, kind: 'turn', turn }, ...steps]
    made.set(turn.steps, { agent, rows })
    return rows
  }
  return (turns) => {
    const rows: LogRow[] = []
    for (const turn of turns) for (const row of rowsOf(turn)) rows.push(row)
    return rows
  }
}

/** Whether the log has to be made anew: deltas of an answer do not concern it. */
export function isSameLog(one: readonly Turn[], other: readonly Turn[]): boolean {
  return (
    one.length === other.length &&
    one.every((turn, index) => {
      const now = other[index]
      return (
        turn === now ||
        (turn.steps === now?.steps && turn.agent === now.agent && turn.outcome === now.outcome && turn.question === now.question)
      )
    })
  )
}
