/** Svelte is used as it comes; the file says so to the tools that look for it. */
export default {};
