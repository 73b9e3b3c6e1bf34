import type { Outgoing } from '@/api/socket/outbox'
import type { SessionHandoff, Turn } from '@/api/socket/view'

/** What the list of a conversation is made of, each of a height of its own. */
export type Row =
  | { key: string; kind: 'question'; turn: Turn }
  | { key: string; kind: 'answer'; turn: Turn }
  | { key: string; kind: 'outgoing'; outgoing: Outgoing }
  | { key: string; kind: 'handoff'; handoff: SessionHandoff }

/** Where a row stands among all, for who hears the list and cannot see how long it is: only some are in the page. */
export type Place = { at: number; of: number }

const rowsOfTurn = new WeakMap<Turn, Row[]>()

function turnRows(turn: Turn): Row[] {
  const known = rowsOfTurn.get(turn)
  if (known) return known
  const rows: Row[] = [{ key: `${turn.id}:answer`, kind: 'answer', turn }]
  // It keeps the key that it had while it waited, so that it does not jump when it is accepted.
  if (turn.question) rows.unshift({ key: turn.clientMessageId ?? `${turn.id}:question`, kind: 'question', turn })
  rowsOfTurn.set(turn, rows)
  return rows
}

/** A handoff stands before the first turn that was accepted after it. */
export function conversationRows(
  turns: readonly Turn[],
  outbox: readonly Outgoing[],
  handoffs: readonly SessionHandoff[] = [],
): Row[] {
  const rows: Row[] = []
  const accepted = new Set<string>()
  let given = 0
  const handOffBefore = (seq: number) => {
    for (let handoff = handoffs[given]; handoff && handoff.seq < seq; handoff = handoffs[given]) {
      rows.push({ key: `handoff:${handoff.seq}`, kind: 'handoff', handoff })
      given += 1
    }
  }
  for (const turn of turns) {
    if (turn.seq !== undefined) handOffBefore(turn.seq)
    if (turn.clientMessageId !== undefined && outbox.length > 0) accepted.add(turn.clientMessageId)
    for (const row of turnRows(turn)) rows.push(row)
  }
  handOffBefore(Infinity)
  for (const outgoing of outbox) {
    if (accepted.has(outgoing.clientMessageId)) continue
    rows.push({ key: outgoing.clientMessageId, kind: 'outgoing', outgoing })
  }
  return rows
}
