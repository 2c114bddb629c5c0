'use strict';

/**
 * A bounded memory from text to whatever is known about it. Two generations: what is asked for moves to the young
 * one; when that is full it becomes the old one, and what nobody asked for meanwhile is forgotten. A hit in the young
 * generation is one `Map.get`.
 */
class TextMemory {
  /** `capacity`: texts kept at most; `maxLength`: longer texts are not kept. */
  constructor(capacity, maxLength) {
    this.generation = Math.ceil(capacity / 2);
    this.maxLength = maxLength;
    this.young = new Map();
    this.old = new Map();
  }

  get(text) {
    const entry = this.young.get(text);
    if (entry !== undefined) return entry;
    const older = this.old.get(text);
    if (older !== undefined) this.set(text, older);
    return older;
  }

  set(text, entry) {
    if (text.length > this.maxLength) return;
    if (this.young.size >= this.generation) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(text, entry);
  }
}

exports.TextMemory = TextMemory;
