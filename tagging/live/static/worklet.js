// Gathers the microphone's samples, 128 at a time, and hands them on in pieces of about 40 ms.
class Pieces extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Float32Array(128 * Math.ceil(sampleRate / 25 / 128));
    this.filled = 0;
  }

  process([channels]) {
    if (!channels.length) return true; // nothing is connected yet
    const quantum = channels[0];
    for (let i = 0; i < quantum.length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.piece[this.filled++] = sum / channels.length;
    }
    if (this.filled === this.piece.length) {
      this.port.postMessage(this.piece);
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor("pieces", Pieces);
