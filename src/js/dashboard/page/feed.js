// The live figures. Nothing is asked for while nobody can see the page.

const AGAIN_MS = 5000;

/** Calls `onHistory`, `onSnapshot` and `onState(state, text)`. */
export function follow({ onHistory, onSnapshot, onState }) {
  let source;
  let timer;

  const open = () => {
    clearTimeout(timer);
    if (source !== undefined || document.hidden) return;
    source = new EventSource('events');
    source.addEventListener('history', ({ data }) => onHistory(JSON.parse(data)));
    source.addEventListener('snapshot', ({ data }) => {
      onState('live', 'Live');
      onSnapshot(JSON.parse(data));
    });
    source.addEventListener('error', () => {
      onState('lost', 'Connection lost, trying again…');
      // The browser comes back by itself after a break, not after a refusal.
      if (source?.readyState !== EventSource.CLOSED) return;
      close();
      timer = setTimeout(open, AGAIN_MS);
    });
  };
  const close = () => {
    source?.close();
    source = undefined;
  };
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) close();
    else open();
  });
  open();
}
