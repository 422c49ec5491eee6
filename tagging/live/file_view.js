import { colour, paint } from "/live/picture.js";

const STRIP = 8; // classes
const ROW = 20; // pixels

export default {
  props: { classes: Array },
  template: `
    <section class="card" aria-labelledby="file-title">
      <h2 id="file-title">File</h2>
      <label class="drop" :class="{ over }" @dragover.prevent="over = true" @dragleave="over = false" @drop.prevent="drop">
        <input type="file" accept="audio/*,.wav,.flac,.ogg,.opus,.mp3,.aiff,.aif" @change="choose" aria-describedby="file-state">
        <span>Choose a sound file, or drop it here</span>
      </label>
      <p id="file-state" class="latency" role="status">{{ state }}</p>
      <p class="problem" role="alert" v-if="problem">{{ problem }}</p>
      <div v-show="rows.length">
        <audio ref="player" controls :src="url" :aria-label="'Player of ' + name" @timeupdate="move" @error="silent = true"></audio>
        <p class="hint" v-if="silent">This browser cannot play this format; the tags are right all the same.</p>
        <div class="timeline">
          <span class="name">0 to {{ seconds.toFixed(1) }} s</span>
          <div class="track" @click="seekAt">
            <canvas ref="picture" class="spectrogram" width="1500" height="128" role="img"
              :aria-label="'Spectrogram of ' + name + ', low frequencies below'"></canvas>
            <i class="cursor" :style="{ left: cursor + '%' }"></i>
          </div>
          <ol class="names"><li v-for="index in likeliest" :key="index" class="name" :title="classes[index]">{{ classes[index] }}</li></ol>
          <div class="track" @click="seekAt">
            <canvas ref="strip" class="strip" width="1500" :height="20 * likeliest.length" :style="{ height: 20 * likeliest.length + 'px' }" role="img"
              aria-label="Probabilities of the likeliest classes over time, as in the table below"></canvas>
            <i class="cursor" :style="{ left: cursor + '%' }"></i>
          </div>
        </div>
        <div class="windows" tabindex="0" aria-label="Tags over time">
          <table>
            <thead><tr><th scope="col">from</th><th scope="col">likeliest classes</th></tr></thead>
            <tbody>
              <tr v-for="row in rows" :key="row.start" :class="{ now: row.start <= time && time < row.next }">
                <th scope="row"><button @click="seek(row.start)" :aria-label="'Play from ' + row.start.toFixed(1) + ' seconds'">{{ row.start.toFixed(1) }} s</button></th>
                <td><span class="tag" v-for="[name, probability] in row.tags" :key="name">{{ name }} <b>{{ probability.toFixed(2) }}</b></span></td>
              </tr>
            </tbody>
          </table>
        </div>
      </div>
    </section>
  `,
  data: () => ({
    over: false, state: "", problem: "", name: "", url: "", silent: false, seconds: 0, time: 0, rows: [], likeliest: [],
  }),
  computed: {
    cursor() {
      return this.seconds ? Math.min(100, (100 * this.time) / this.seconds) : 0;
    },
  },
  created() {
    this.windows = []; // as the server tells them; too many to be watched by Vue
    this.reading = null;
  },
  beforeUnmount() {
    this.reading?.abort();
    URL.revokeObjectURL(this.url);
  },
  methods: {
    choose(event) {
      if (event.target.files.length) this.tag(event.target.files[0]);
      event.target.value = ""; // the same file may be chosen again
    },
    drop(event) {
      this.over = false;
      if (event.dataTransfer.files.length) this.tag(event.dataTransfer.files[0]);
    },
    async tag(file) {
      this.reading?.abort();
      const reading = (this.reading = new AbortController());
      URL.revokeObjectURL(this.url);
      this.windows = [];
      Object.assign(this, { problem: "", silent: false, rows: [], likeliest: [], time: 0, seconds: 0, name: file.name });
      this.url = URL.createObjectURL(file);
      this.state = `${file.name}: reading …`;
      try {
        const answer = await fetch("/live/file", { method: "POST", body: file, signal: reading.signal });
        if (!answer.ok) throw new Error((await answer.json()).detail);
        for await (const line of linesOf(answer.body)) await this.show(JSON.parse(line));
        this.state = this.problem ? "" : `${file.name}: ${this.seconds.toFixed(1)} s, ${count(this.rows.length, "window")}`;
      } catch (error) {
        if (reading.signal.aborted) return; // another file came
        this.state = "";
        this.problem = `${file.name}: ${error.message}`;
      }
    },
    async show(told) {
      if (told.problem) {
        this.problem = `${this.name}: ${told.problem}`;
      } else if ("seconds" in told) {
        this.seconds = told.seconds;
        this.$refs.picture.getContext("2d").clearRect(0, 0, 1500, 128);
      } else {
        this.windows.push(told);
        const best = order(told.probabilities).slice(0, 3);
        const tags = best.map((index) => [this.classes[index], told.probabilities[index]]);
        if (this.rows.length) this.rows.at(-1).next = told.start;
        this.rows.push({ start: told.start, next: Infinity, tags });
        const most = this.classes.map((_, index) => Math.max(...this.windows.map((each) => each.probabilities[index])));
        this.likeliest = order(most).slice(0, STRIP);
        this.state = `${this.name}: ${Math.round((100 * told.end) / this.seconds)} % of ${this.seconds.toFixed(1)} s`;
        await this.$nextTick();
        this.drawPicture();
        this.drawStrip();
      }
    },
    drawPicture() {
      const loudest = Math.max(...this.windows.map((each) => each.loudest ??= Math.max(...each.picture.flat())));
      const louder = loudest !== this.loudest || this.windows.length === 1;
      this.loudest = loudest;
      for (const each of louder ? this.windows : this.windows.slice(-1)) {
        const from = (1500 * each.new) / this.seconds;
        const width = (1500 * (each.end - each.new)) / this.seconds / each.picture.length;
        paint(this.$refs.picture, each.picture, from, width, loudest);
      }
    },
    drawStrip() {
      const strip = this.$refs.strip.getContext("2d");
      this.windows.forEach((each, number) => {
        // from the middle between two windows to the next
        const middle = (other) => (other.start + other.end) / 2;
        const previous = this.windows[number - 1];
        const following = this.windows[number + 1];
        const from = previous ? (middle(previous) + middle(each)) / 2 : each.start;
        const to = following ? (middle(each) + middle(following)) / 2 : each.end;
        this.likeliest.forEach((index, row) => {
          strip.fillStyle = `rgb(${colour(each.probabilities[index]).join()})`;
          strip.fillRect((1500 * from) / this.seconds, row * ROW, (1500 * (to - from)) / this.seconds + 1, ROW - 1);
        });
      });
    },
    move() {
      this.time = this.$refs.player.currentTime;
    },
    seek(seconds) {
      this.$refs.player.currentTime = this.time = seconds;
      this.$refs.player.play().catch(() => {}); // a format that the browser cannot play is told already
    },
    seekAt(event) {
      const { left, width } = event.currentTarget.getBoundingClientRect();
      this.seek((this.seconds * (event.clientX - left)) / width);
    },
  },
};

// Returns the positions of numbers, the largest number first.
function order(numbers) {
  return numbers.map((_, index) => index).sort((one, other) => numbers[other] - numbers[one]);
}

function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

async function* linesOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = "", part; !(part = await reader.read()).done; ) {
    const lines = (rest + part.value).split("\n");
    rest = lines.pop();
    yield* lines;
  }
}
