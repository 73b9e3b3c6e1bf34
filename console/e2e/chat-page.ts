import type { Locator, Page } from 'playwright-core'

/** What a test does on the chat page, in the words of the page. */
export class ChatPage {
  constructor(readonly page: Page) {}

  get composer(): Locator {
    return this.page.getByRole('textbox', { name: 'Message', exact: true })
  }
  get questions(): Locator {
    return this.page.getByRole('article', { name: 'Your message' })
  }
  get answers(): Locator {
    return this.page.getByRole('article', { name: /^Answer/ })
  }
  get steps(): Locator {
    return this.page.getByRole('region', { name: 'Steps' })
  }
  get connection(): Locator {
    return this.page.getByRole('status', { name: 'Connection' })
  }

  async ask(text: string): Promise<void> {
    await this.composer.fill(text)
    await this.composer.press('Enter')
  }

  /** Waits until `count` questions have come to an end, and no more are under way. */
  async answered(count: number): Promise<void> {
    await this.page.waitForFunction(
      (rows) =>
        document.querySelector(`article[aria-posinset="${rows}"][aria-setsize="${rows}"][aria-busy="false"]`) !== null &&
        document.querySelector('article[aria-busy="true"]') === null &&
        // The renderer of markdown is loaded with the first answer.
        document.querySelector('.markdown-block > [data-pending]') === null,
      2 * count,
      { timeout: 45_000 },
    )
  }

  async connected(): Promise<void> {
    await this.connection.getByText('Connected', { exact: true }).waitFor({ timeout: 45_000 })
  }

  get sessionId(): string {
    return new URL(this.page.url()).pathname.split('/')[2] ?? ''
  }
}

/** The durable events of a session, as the server has them. */
export async function eventsOf(apiUrl: string, sessionId: string): Promise<{ seq: number; type: string; turnId?: string; data: Record<string, unknown> }[]> {
  const response = await fetch(`${apiUrl}/api/session/${sessionId}/events?after_seq=0&limit=1000`)
  return ((await response.json()) as { events: never }).events
}

/** A question that takes the agents a while. */
export const LONG_QUESTION = `How do I rotate my API key? ${'And what about the retention of audit logs, refunds and webhooks? '.repeat(25)}`
