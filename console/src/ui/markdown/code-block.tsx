import { Check, Copy } from 'lucide-react'
import { useEffect, useState, type ReactNode } from 'react'
import { useTranslations } from 'use-intl'
import { IconButton } from '../button'
import { withVisibleControls } from './blocks'

type HastNode = { type: string; value?: string; properties?: { className?: unknown }; children?: HastNode[] }

/** What is longer is shown without colours. */
const HIGHLIGHT_MAX = 20_000

/** Code with its language, its colours once it is complete, and a button that copies it as it was written. */
export function CodeBlock({ code, language, isOpen }: { code: string; language: string | undefined; isOpen: boolean }) {
  const [colored, setColored] = useState<{ code: string; node: HastNode }>()
  const shown = withVisibleControls(code)

  useEffect(() => {
    if (isOpen || language === undefined || shown.length > HIGHLIGHT_MAX) return
    let isCurrent = true
    import('./highlight').then(
      ({ highlight }) => {
        const node = highlight(shown, language)
        if (isCurrent && node) setColored({ code: shown, node })
      },
      () => undefined, // The code is there without its colours too.
    )
    return () => {
      isCurrent = false
    }
  }, [shown, language, isOpen])

  return (
    <div className="code-block" dir="ltr">
      <div className="flex h-8 items-center justify-between pr-1 pl-3 text-xs text-muted">
        <span>{language ?? ''}</span>
        <CopyButton text={code} />
      </div>
      {/* Long lines scroll; a keyboard has to reach them for that. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre tabIndex={0}>
        <code>{colored?.code === shown ? render(colored.node) : shown}</code>
      </pre>
    </div>
  )
}

export function CopyButton({ text, label }: { text: string; label?: string }) {
  const t = useTranslations('markdown')
  const [isDone, setDone] = useState(false)
  useEffect(() => {
    if (!isDone) return
    const timer = setTimeout(() => setDone(false), 1_500)
    return () => clearTimeout(timer)
  }, [isDone])
  return (
    <IconButton
      size="small"
      label={isDone ? t('copied') : (label ?? t('copy'))}
      onClick={() => void navigator.clipboard.writeText(text).then(() => setDone(true))}
    >
      {isDone ? <Check aria-hidden size={14} /> : <Copy aria-hidden size={14} />}
    </IconButton>
  )
}

function render(node: HastNode): ReactNode {
  if (node.type === 'text') return node.value
  const children = node.children?.map((child, index) => <Part key={index} node={child} />)
  const classes = node.properties?.className
  return Array.isArray(classes) ? <span className={classes.join(' ')}>{children}</span> : children
}

function Part({ node }: { node: HastNode }) {
  return render(node)
}
