import { render, screen } from '@testing-library/react'
import { IntlProvider } from 'use-intl'
import { describe, expect, it, vi } from 'vitest'
import en from '@/messages/en.json'
import { Markdown } from './markdown'

const PATIENCE = { timeout: 10_000 }

async function show(text: string, onOpen?: (index: number) => void) {
  const view = render(
    <IntlProvider locale="en" messages={en}>
      <Markdown text={text} citations={{ known: new Map([[1, 'a.md']]), onOpen }} />
    </IntlProvider>,
  )
  // The renderer is loaded with the first answer.
  await import('./markdown-block')
  await vi.waitFor(() => expect(view.container.querySelector('.markdown-block > [data-pending]')).toBeNull(), PATIENCE)
  return view
}

describe('Markdown', () => {
  it.each([
    ['a script', '<script>window.hacked = true</script>'],
    ['an event handler', '<img src=x onerror="window.hacked = true">'],
    ['a script address', '[click](javascript:window.hacked=true) and <a href="javascript:1">x</a>'],
    ['a frame', '<iframe srcdoc="<script>1</script>"></iframe>'],
    ['a style', '<style>* { display: none }</style> <p style="position:fixed">x</p>'],
    ['an image', '![secret](https://evil.example/?q=1)'],
    ['a data address', '[x](data:text/html,<script>1</script>)'],
  ])('makes nothing of %s', async (_name, text) => {
    const { container } = await show(`before\n\n${text}`)
    await vi.waitFor(() => expect(container.textContent).toContain('before'))
    expect(container.querySelector('script, img, iframe, style, [style], [onerror], a[href^="javascript"], a[href^="data"]')).toBeNull()
    expect('hacked' in window).toBe(false)
  })

  it('opens a citation, and leaves a number that is none', async () => {
    const onOpen = vi.fn()
    await show('It is so [1], and not [7].', onOpen)
    ;(await screen.findByRole('button', { name: 'Source 1: a.md' })).click()
    expect(onOpen).toHaveBeenCalledWith(1)
    expect(screen.queryByRole('button', { name: /Source 7/ })).toBeNull()
  })

  it('shows the beginning of a long answer, and the rest on demand', async () => {
    const { container } = await show(`begin\n\n${'word '.repeat(200_000)}`)
    expect(container.textContent.length).toBeLessThan(60_000)
    screen.getByRole('button', { name: /Show all \(1,000,007 characters\)/ }).click()
    await vi.waitFor(() => expect(container.textContent.length).toBeGreaterThan(990_000), PATIENCE)
  })
})
