'use strict';
// Cleaning the files of a cache whose notion of expiry, or way of reading, is the app's own.

const fs = require('node:fs/promises');
const path = require('node:path');

/** How many expired files were removed. */
async function cleanFiles(cache) {
  let cleaned = 0;
  for (const name of await fs.readdir(cache.cacheDir)) {
    if (name.startsWith('.') || !(name.endsWith('.json') || name.endsWith('.json.gz'))) continue;
    const file = path.join(cache.cacheDir, name);
    try {
      const item = await cache.readFromDisk(file);
      const isItem = typeof item === 'object' && item !== null && 'value' in item;
      if (isItem && cache.isExpired(item)) {
        await fs.unlink(file);
        cleaned += 1;
      }
    } catch {
      // Unreadable, foreign or gone: the others still count.
    }
  }
  return cleaned;
}

exports.cleanFiles = cleanFiles;
