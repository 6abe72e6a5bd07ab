// What was dropped: files, and those of folders with all below them.

/** The files of a DataTransfer as {file, path}; a folder's paths begin with its name. */
export async function filesIn(transfer) {
  // Items must be asked before anything is waited for.
  const items = [...transfer.items].filter(({ kind }) => kind === 'file')
  const found = items.map((item) => {
    const [entry, file] = [item.webkitGetAsEntry(), item.getAsFile()]
    return entry?.isDirectory ? below(entry) : [{ file, path: file.name }]
  })
  return (await Promise.all(found)).flat()
}

async function below(entry) {
  const path = entry.fullPath.slice(1)
  if (entry.isFile) return [{ file: await new Promise((done, failed) => entry.file(done, failed)), path }]
  const reader = entry.createReader()
  const found = []
  let some
  do { // a reader gives a hundred at a time, and nothing at its end
    some = await new Promise((done, failed) => reader.readEntries(done, failed))
    found.push(...(await Promise.all(some.map(below))).flat())
  } while (some.length)
  return found
}
