import { Component, lazy, memo, Suspense, useEffect, useMemo, useState, type ReactNode } from 'react'
import { useTranslations } from 'use-intl'
import { Button } from '../button'
import { blocksWithin, splitBlocks, withoutOverrides, type Block } from './blocks'
import { CitationsContext, type Citations } from './citations'

const MarkdownBlock = lazy(() => import('./markdown-block'))

/** Shown at first; the rest on demand, some blocks a frame. */
const SHOWN_LENGTH = 40_000
const MORE_BLOCKS = 24

/**
 * Markdown from strangers: never HTML, no image is loaded, nothing reaches beyond its own block, and no more is rendered than
 * somebody wants to read.
 */
export function Markdown({ text, isStreaming = false, citations }: { text: string; isStreaming?: boolean; citations?: Citations }) {
  const t = useTranslations('markdown')
  const [showsAll, setShowsAll] = useState(false)
  const [extra, setExtra] = useState(0)
  const head = showsAll ? text : text.slice(0, SHOWN_LENGTH * 2)
  const blocks = useMemo(() => splitBlocks(withoutOverrides(head)), [head])
  const atFirst = blocksWithin(blocks, SHOWN_LENGTH)
  const shown = showsAll ? Math.min(blocks.length, atFirst + extra) : atFirst
  const hasMore = shown < blocks.length || head.length < text.length

  useEffect(() => {
    if (!showsAll || shown >= blocks.length) return
    const frame = requestAnimationFrame(() => setExtra((now) => now + MORE_BLOCKS))
    return () => cancelAnimationFrame(frame)
  }, [showsAll, shown, blocks.length])

  const body = (
    <div className="markdown">
      {blocks.slice(0, shown).map((block, index) => (
        // A block is known by its place: a text only grows at its end.
        <MemoBlock key={index} text={block.text} kind={block.kind} isOpen={isStreaming && index === blocks.length - 1} />
      ))}
      {hasMore && !showsAll && (
        <Button size="small" onClick={() => setShowsAll(true)}>
          {t('showAll', { characters: text.length })}
        </Button>
      )}
    </div>
  )
  return citations ? <CitationsContext value={citations}>{body}</CitationsContext> : body
}

const MemoBlock = memo(function BlockOf({ text, kind, isOpen }: Block & { isOpen: boolean }) {
  const plain = <p className="whitespace-pre-wrap">{text}</p>
  return (
    <div dir="auto" className="markdown-block">
      {kind === 'plain' ? (
        plain
      ) : (
        <Fallback to={plain}>
          <Suspense
            fallback={
              <p data-pending className="whitespace-pre-wrap">
                {text}
              </p>
            }
          >
            <MarkdownBlock text={text} isOpen={isOpen} />
          </Suspense>
        </Fallback>
      )}
    </div>
  )
})

/** What cannot be rendered is shown as it was written. */
class Fallback extends Component<{ to: ReactNode; children: ReactNode }, { hasFailed: boolean }> {
  override state = { hasFailed: false }
  static getDerivedStateFromError() {
    return { hasFailed: true }
  }
  override render() {
    return this.state.hasFailed ? this.props.to : this.props.children
  }
}
