import { describe, expect, it } from 'vitest'
import type { SessionHandoff, Turn } from '@/api/socket/view'
import { conversationRows } from './rows'

const turn = (id: string, seq?: number): Turn => ({ id, phase: 'accepted', steps: [], notes: [], ...(seq === undefined ? {} : { seq }) })
const handoff = (seq: number): SessionHandoff => ({
  type: 'handoff',
  seq,
  sessionId: 's',
  at: '2026-11-27T12:00:00.000Z',
  data: { from: 'orchestrator', to: 'person', reason: '' },
})

describe('conversationRows', () => {
  it('puts a handoff before the first turn that came after it, and the last one at the end', () => {
    const rows = conversationRows([turn('a', 2), turn('half'), turn('b', 7)], [], [handoff(1), handoff(5), handoff(6), handoff(9)])
    expect(rows.map((row) => row.key)).toEqual([
      'handoff:1',
      'a:answer',
      'half:answer',
      'handoff:5',
      'handoff:6',
      'b:answer',
      'handoff:9',
    ])
  })
})
