// Query pictures, kept in this browser only (memory and IndexedDB), so that "back" from a mark's
// page finds the picture again. The last few are kept; nothing is sent anywhere by this file. Those of
// a link come from the server, which keeps them under handles.

import { getQueryImage } from './api.js'

const KEPT = 8
const memory = new Map()

let reading = Promise.resolve() // the file that came last

/** Keep a picture and resolve to the key to find it by, which ends with a digest of it; those that come one
 *  after the other are kept in this order. The search does not wait for the disk. */
export function savePicture(picture) {
  reading = reading.catch(() => null).then(async () => {
    const key = `${Date.now()}-${digestOf(new Uint8Array(await picture.arrayBuffer()))}`
    memory.set(key, picture)
    store(key, picture)
    return key
  })
  return reading
}

/** What a key says of the picture, whenever it came: its digest, or the server's handle. */
export const nameOfKey = (key) => key.split('-').at(-1)

/** 64 bits that tell a person's pictures apart (two lanes of FNV-1a); browsers offer SHA-256 over HTTPS only. */
function digestOf(bytes) {
  let [one, other] = [0x811c9dc5, 0x9747b28c]
  for (let at = 0; at < bytes.length; at += 1) {
    one = Math.imul(one ^ bytes[at], 0x01000193)
    other = Math.imul(other ^ bytes[at], 0x5bd1e995) ^ (other >>> 15)
  }
  return [one, other].map((lane) => (lane >>> 0).toString(16).padStart(8, '0')).join('')
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
