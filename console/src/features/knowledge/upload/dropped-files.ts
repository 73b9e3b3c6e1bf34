export type ChosenFile = { path: string; file: File }

/** What was chosen in a list of files; of a folder, the paths below it. */
export function filesOf(list: Iterable<File>): ChosenFile[] {
  return [...list].map((file) => ({ path: file.webkitRelativePath || file.name, file }))
}

/**
 * What was dropped, folders with all that is in them. Must be called in the event itself: afterwards the browser forgets what
 * was dropped.
 */
export async function droppedFiles(data: DataTransfer): Promise<ChosenFile[]> {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null)
  // Without entries, such as from another program, there are still files.
  if (entries.length === 0) return filesOf(data.files)
  const found = await Promise.all(entries.map(walk))
  return found.flat()
}

async function walk(entry: FileSystemEntry): Promise<ChosenFile[]> {
  if (isFile(entry)) {
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject))
    return [{ path: entry.fullPath.replace(/^\//, ''), file }]
  }
  // What an editor or a system keeps for itself is meant by nobody.
  if (!isFolder(entry) || entry.name.startsWith('.')) return []
  const reader = entry.createReader()
  const found: ChosenFile[] = []
  // A reader gives a hundred at a time, and none at the end.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject))
    if (some.length === 0) return found
    for (const one of some) found.push(...(await walk(one)))
  }
}

const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile
const isFolder = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory
