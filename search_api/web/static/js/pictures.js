// Query pictures, kept in this browser only (memory and IndexedDB), so that "back" from a mark's
// page finds the picture again. The last few are kept; nothing is sent anywhere by this file. Those of
// a link come from the server, which keeps them under handles.

import { getQueryImage } from './api.js'

const KEPT = 8
const memory = new Map()

/** Keep a picture and return the key to find it by; the search does not wait for the disk. */
export function savePicture(picture) {
  const key = `${Date.now()}-${Math.random().toString(36).slice(2, 8)}`
  memory.set(key, picture)
  store(key, picture)
  return key
}

async function store(key, picture) {
  try {
    const kept = await pictures('readwrite')
    await done(kept.put(picture, key))
    const keys = await done(kept.getAllKeys())
    for (const old of keys.sort().slice(0, -KEPT)) kept.delete(old)
  } catch {
    // Private windows may refuse the storage: the picture is then kept for this page only.
  }
}

/** The picture of a key; else the server's of a handle; null where both are no longer kept. */
export async function loadPicture(key, handle) {
  const picture = memory.get(key) ?? await storedPicture(key) ?? (handle && await getQueryImage(handle))
  if (picture) memory.set(key, picture)
  return picture ?? null
}

async function storedPicture(key) {
  try {
    return (await done((await pictures('readonly')).get(key))) ?? null
  } catch {
    return null
  }
}

async function pictures(mode) {
  const opening = indexedDB.open('marklens', 1)
  opening.onupgradeneeded = () => opening.result.createObjectStore('pictures')
  const database = await done(opening)
  return database.transaction('pictures', mode).objectStore('pictures')
}

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
