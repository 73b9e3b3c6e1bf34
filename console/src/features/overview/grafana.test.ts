import { describe, expect, it } from 'vitest'
import { grafanaLink } from './grafana'

describe('grafanaLink', () => {
  it.each([
    ['http://localhost:3001', 'http://localhost:3001/d/orchestratai-agents?from=now-6h&to=now'],
    ['https://tools.example/grafana/', 'https://tools.example/grafana/d/orchestratai-agents?from=now-6h&to=now'],
    ['https://grafana.example/?orgId=2', 'https://grafana.example/d/orchestratai-agents?orgId=2&from=now-6h&to=now'],
    ['https://grafana.example/d/1/mine?a=b&from=now-1h', 'https://grafana.example/d/1/mine?a=b&from=now-6h&to=now'],
  ])('leads from %s to the same stretch of time', (base, link) => {
    expect(grafanaLink(base, 'agents', '6h')).toBe(link)
  })

  it.each(['', 'grafana', 'javascript:alert(1)', 'data:text/html,x'])('leads nowhere from %j', (base) => {
    expect(grafanaLink(base, 'overview', '1h')).toBeUndefined()
  })
})
