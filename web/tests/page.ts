/** What jsdom lacks of a browser, for the component tests. */
import { cleanup } from '@testing-library/svelte';
import { afterEach } from 'vitest';

window.matchMedia = (query) =>
  ({ matches: query.includes('reduced-motion'), media: query, addEventListener() {}, removeEventListener() {} }) as unknown as MediaQueryList;
Element.prototype.scrollIntoView = function () {};

afterEach(() => {
  cleanup();
  localStorage.clear();
});
