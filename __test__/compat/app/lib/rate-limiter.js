// The app's own module: it says so, and a test fails where it was loaded although it had been replaced.
(globalThis.originalsLoaded ??= []).push('rate-limiter');

export class RateLimiter {
  static original = true;
}

export default RateLimiter;
