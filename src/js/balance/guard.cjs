'use strict';
// The manager's side of the guardian: starts and signals processes through it, and hears of their ends. It keeps nothing
// alive but while somebody waits for an answer.

const { fork } = require('node:child_process');
const path = require('node:path');

const GUARDIAN = path.join(__dirname, 'guardian.cjs');

/** The guardian needs none of the app's preloads; the instances get the whole environment with their start. */
function bareEnvironment() {
  const env = { ...process.env };
  for (const name of ['NODE_OPTIONS', 'NODE_V8_COVERAGE', 'NODE_TEST_CONTEXT']) delete env[name];
  return env;
}

/** One process, from the order to start it on. */
class Member {
  constructor(id) {
    this.id = id;
    this.pid = undefined;
    /** How it ended: a signal, an exit code, the operating system's words. */
    this.how = undefined;
    this.onEnd = () => {};
    this.started = new Promise((resolve) => { this.onStart = resolve; });
    this.ended = new Promise((resolve) => { this.resolveEnd = resolve; });
  }

  end(how) {
    if (this.how !== undefined) return;
    this.how = how;
    this.onStart();
    this.resolveEnd();
    this.onEnd(how);
  }
}

function killOrphan({ pid }) {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

class Guard {
  constructor(graceMs) {
    this.graceMs = graceMs;
    this.child = null;
    this.members = new Map();
    this.lastId = 0;
    this.holds = 0;
  }

  /** Runs `body`; the app's process stays alive meanwhile. */
  async holding(body) {
    this.holds += 1;
    this.updateHold();
    try {
      return await body();
    } finally {
      this.holds -= 1;
      this.updateHold();
    }
  }

  updateHold() {
    const { child } = this;
    if (child === null) return;
    if (this.holds > 0) {
      child.ref();
      child.channel?.ref();
      return;
    }
    child.unref();
    child.channel?.unref();
    if (this.members.size === 0) {
      this.child = null;
      if (child.connected) child.disconnect();
    }
  }

  open() {
    if (this.child !== null) return this.child;
    const child = fork(GUARDIAN, [], {
      detached: true, execArgv: [], env: bareEnvironment(), windowsHide: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.child = child;
    const { members } = this;
    const lost = (error) => {
      if (this.child === child) this.child = null;
      // What it guarded has nobody to end it any more.
      for (const member of members.values()) {
        if (member.guardian !== child) continue;
        killOrphan(member);
        members.delete(member.id);
        member.end(error instanceof Error ? error.message : 'SIGKILL');
      }
    };
    child.on('message', ({ id, pid, ended }) => {
      const member = members.get(id);
      if (member === undefined) return;
      if (ended !== undefined) {
        members.delete(id);
        member.end(ended);
        this.updateHold();
        return;
      }
      member.pid = pid;
      member.onStart();
    });
    child.once('error', lost);
    child.once('exit', lost);
    child.send({ graceMs: this.graceMs }, () => {});
    this.updateHold();
    return child;
  }

  start(program) {
    this.lastId += 1;
    const member = new Member(this.lastId);
    // In the list first: without a member an unheld guardian is let go.
    this.members.set(member.id, member);
    try {
      member.guardian = this.open();
      member.guardian.send({ start: { id: member.id, ...program } }, (error) => {
        if (!error) return;
        this.members.delete(member.id);
        member.end(error.message);
      });
    } catch (error) {
      this.members.delete(member.id);
      member.end(error.message);
    }
    return member;
  }

  /** Ends a process: politely, and after the grace by force. */
  async stop(member) {
    if (member.how !== undefined) return;
    await this.holding(async () => {
      const signal = (name) => { if (member.guardian.connected) member.guardian.send({ id: member.id, signal: name }, () => {}); };
      signal('SIGTERM');
      const timer = setTimeout(signal, this.graceMs, 'SIGKILL');
      await member.ended;
      clearTimeout(timer);
    });
  }
}

exports.Guard = Guard;
