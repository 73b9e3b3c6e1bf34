import type { DocumentInfo } from '@/api/schemas/knowledge'

/** Whether it came by upload: what came from a folder is changed there, and comes again from there. */
export function isUpload(document: Pick<DocumentInfo, 'root'>): boolean {
  return document.root === 'uploads'
}

/** `guides/keys.md` → `.md` */
export function extension(path: string): string {
  return /\.[^./]+$/.exec(path)?.[0].toLowerCase() ?? ''
}
