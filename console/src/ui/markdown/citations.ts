import { createContext } from 'react'

/** What `[n]` in an answer leads to. `known` is missing while the answer is still being written. */
export type Citations = { known: ReadonlyMap<number, string> | undefined; onOpen: ((index: number) => void) | undefined }

export const CitationsContext = createContext<Citations>({ known: undefined, onOpen: undefined })

type Node = { type: string; tagName?: string; value?: string; properties?: Record<string, unknown>; children?: Node[] }

const CITATION = /\[(\d{1,3})\]/

/** Makes each `[n]` in running text an element of its own (`span[data-citation]`). */
export function rehypeCitations() {
  return (tree: unknown) => visit(tree as Node)
}

function visit(node: Node): void {
  if (node.tagName === 'code' || node.tagName === 'pre' || node.tagName === 'a') return
  if (!node.children) return
  node.children = node.children.flatMap((child) => {
    if (child.type !== 'text' || child.value === undefined) {
      visit(child)
      return [child]
    }
    return child.value
      .split(/(\[\d{1,3}\])/)
      .filter((part) => part !== '')
      .map((part): Node => {
        const index = CITATION.exec(part)?.[1]
        if (index === undefined || part !== `[${index}]`) return { type: 'text', value: part }
        return {
          type: 'element',
          tagName: 'span',
          properties: { dataCitation: index },
          children: [{ type: 'text', value: part }],
        }
      })
  })
}
