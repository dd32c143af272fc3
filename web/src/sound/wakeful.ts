/** Keeps an AudioContext running: browsers suspend it when a tab sleeps, a call comes in or a headset is unplugged. */

/** Resumes the context whenever something suggests that it stopped; call the answer to let go. */
export function keepAwake(context: AudioContext): () => void {
  const wake = (): void => {
    if (context.state !== 'running' && context.state !== 'closed') context.resume().catch(ignoreRefusal);
  };
  context.addEventListener('statechange', wake);
  document.addEventListener('visibilitychange', wake);
  navigator.mediaDevices?.addEventListener('devicechange', wake);
  wake();
  return () => {
    context.removeEventListener('statechange', wake);
    document.removeEventListener('visibilitychange', wake);
    navigator.mediaDevices?.removeEventListener('devicechange', wake);
  };
}

/** A refused resume is tried again at the next sign of life. */
function ignoreRefusal(): void {}
