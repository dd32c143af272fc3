/** Starts the page. */
import { mount } from 'svelte';
import App from './App.svelte';
import './page.css';
import { openSounds } from './sound/audio.ts';
import { serverApi } from './talk/api.ts';
import { openWebSocket } from './talk/transport.ts';

const target = document.getElementById('page');
if (!target) throw new Error('The page has no place to start in.');

mount(App, { target, props: { means: { api: serverApi, openTransport: openWebSocket, openSounds } } });
