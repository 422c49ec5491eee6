import { melBins, paint, scroll } from "/live/picture.js";

const BANDS = 96;
const PIXELS_A_SECOND = 60;
const LOUDEST_DB = -25; // of the browser's own spectrum, where a full sine has about 0
const PROBLEMS = {
  NotAllowedError:
    "The browser may not use the microphone. Allow it by the icon to the left of the address, then start again.",
  NotFoundError: "The browser finds no microphone. Connect one, then start again.",
  NotReadableError: "The microphone is used by another program, or switched off. Free it, then start again.",
};

export default {
  template: `
    <section class="card" aria-labelledby="microphone-title">
      <h2 id="microphone-title">Microphone</h2>
      <div class="row">
        <q-btn :label="running ? 'Stop' : 'Start'" :icon="running ? 'stop' : 'mic'" color="primary" unelevated
          :loading="starting" @click="running ? stop() : start()" />
        <span class="latency" v-if="running" title="From the oldest sample that a window is the first to hold to its bars: the longest of the last second">
          <template v-if="latency !== null">sound to bar: <output data-latency>{{ latency }}</output> ms, of which networks {{ networks }} ms</template>
          <template v-else>listening …</template>
        </span>
        <span class="latency" v-else>The sound stays on this machine.</span>
      </div>
      <p class="problem" role="alert" v-if="problem">{{ problem }}</p>
      <canvas ref="canvas" class="spectrogram" width="600" height="192" role="img"
        aria-label="Scrolling spectrogram of the last ten seconds, low frequencies below"></canvas>
      <p class="axis" aria-hidden="true"><span>10 s ago</span><span>now</span></p>
      <ol class="bars" aria-label="Likeliest classes">
        <li v-for="[name, probability] in likeliest" :key="name">
          <span class="name" :title="name">{{ name }}</span>
          <span class="bar" role="meter" aria-valuemin="0" aria-valuemax="1" :aria-valuenow="probability" :aria-label="name">
            <span :style="{ width: 100 * probability + '%' }"></span>
          </span>
          <span class="number">{{ probability.toFixed(2) }}</span>
        </li>
      </ol>
      <p class="hint" v-if="!likeliest.length">Start, and the likeliest classes appear here with their probabilities.</p>
    </section>
  `,
  data: () => ({ starting: false, running: false, problem: "", likeliest: [], latency: null, networks: 0 }),
  created() {
    this.close = []; // what to do at the end, the newest last
  },
  mounted() {
    const { width, height } = this.$refs.canvas;
    this.$refs.canvas.getContext("2d").fillRect(0, 0, width, height);
  },
  beforeUnmount() {
    this.stop();
  },
  methods: {
    async start() {
      this.problem = "";
      this.starting = true;
      try {
        await this.open();
        this.running = true;
      } catch (error) {
        this.stop(PROBLEMS[error.name] ?? `The microphone cannot be used: ${error.message}`);
      }
      this.starting = false;
    },
    stop(problem = "") {
      while (this.close.length) this.close.pop()();
      this.running = false;
      this.problem = problem;
    },
    async open() {
      if (!navigator.mediaDevices)
        throw new Error("a browser allows that at http://127.0.0.1 and http://localhost alone; open the page there.");
      const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      const stream = await navigator.mediaDevices.getUserMedia({ audio });
      const [track] = stream.getAudioTracks();
      this.close.push(() => track.stop());
      track.onended = () => this.stop("The microphone is gone. Connect it again, then start.");
      const context = new AudioContext();
      this.close.push(() => context.close());
      await context.audioWorklet.addModule("/live/worklet.js");
      const source = context.createMediaStreamSource(stream);
      const node = new AudioWorkletNode(context, "pieces");
      source.connect(node).connect(context.destination); // the node gives silence; unconnected it would not run
      this.send(node.port, context.sampleRate, track.getSettings().latency ?? 0);
      this.draw(context, source);
    },
    send(port, rate, before) {
      const socket = new WebSocket(`ws://${location.host}/live/sound?rate=${rate}`);
      const sent = []; // pieces that no window holds yet: the stream's samples up to their end, and when they began
      const latencies = [];
      let samples = 0;
      this.latency = null;
      port.onmessage = ({ data }) => {
        if (socket.readyState !== WebSocket.OPEN) return;
        samples += data.length;
        sent.push({ until: samples, began: performance.now() - 1000 * (data.length / rate + before) });
        socket.send(data);
      };
      socket.onmessage = async ({ data }) => {
        const told = JSON.parse(data);
        if (told.problem) return this.stop(told.problem);
        this.likeliest = told.likeliest;
        while (sent[0].until <= told.since) sent.shift();
        const { began } = sent[0];
        await this.$nextTick();
        requestAnimationFrame((now) => {
          latencies.push({ now, latency: performance.now() - began });
          while (latencies[0].now < now - 1000) latencies.shift();
          this.latency = Math.round(Math.max(...latencies.map((each) => each.latency)));
          this.networks = Math.round(1000 * told.seconds);
        });
      };
      socket.onclose = () => this.stop("The server has ended. Start it again, then reload this page.");
      this.close.push(() => {
        socket.onclose = socket.onmessage = port.onmessage = null;
        socket.close();
      });
    },
    draw(context, source) {
      const analyser = new AnalyserNode(context, { fftSize: 2048, smoothingTimeConstant: 0 });
      source.connect(analyser);
      const spectrum = new Float32Array(analyser.frequencyBinCount);
      const bins = melBins(BANDS, spectrum.length, context.sampleRate);
      const canvas = this.$refs.canvas;
      let drawn = performance.now();
      const next = (now) => {
        const pixels = Math.min(Math.floor(((now - drawn) * PIXELS_A_SECOND) / 1000), canvas.width);
        if (pixels > 0) {
          drawn += (pixels * 1000) / PIXELS_A_SECOND;
          analyser.getFloatFrequencyData(spectrum);
          const column = bins.map(([first, last]) => Math.max(...spectrum.subarray(first, last)));
          scroll(canvas, pixels);
          paint(canvas, [column], canvas.width - pixels, pixels, LOUDEST_DB);
        }
        frame = requestAnimationFrame(next);
      };
      let frame = requestAnimationFrame(next);
      this.close.push(() => cancelAnimationFrame(frame));
    },
  },
};
