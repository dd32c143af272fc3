/** What the page remembers about the person on this device: only what they typed or chose here. */

const PREFIX = 'voicemind.';

export type Preference = 'user' | 'agent' | 'halfDuplex';

/** Storage may be switched off; the page then simply forgets. */
export function recall(preference: Preference): string {
  try {
    return localStorage.getItem(PREFIX + preference) ?? '';
  } catch {
    return '';
  }
}

export function keep(preference: Preference, value: string): void {
  try {
    if (value === '') localStorage.removeItem(PREFIX + preference);
    else localStorage.setItem(PREFIX + preference, value);
  } catch {
    // Nothing to do: the conversation works without it.
  }
}
