// Spectrograms on a canvas: the same colours for the microphone and for files.
const STOPS = [[4, 4, 20], [60, 15, 110], [140, 41, 129], [222, 73, 104], [254, 159, 109], [252, 253, 191]];
const RANGE_DB = 80;

// Returns a colour as [r, g, b] for a value of 0 to 1.
export function colour(value) {
  const place = Math.min(Math.max(value, 0), 1) * (STOPS.length - 1);
  const low = Math.min(Math.floor(place), STOPS.length - 2);
  return STOPS[low].map((part, i) => Math.round(part + (place - low) * (STOPS[low + 1][i] - part)));
}

const COLOURS = Array.from({ length: 256 }, (_, i) => colour(i / 255));

// Paints columns of bands in dB, the lowest band first, from x on; a column is `width` pixels wide.
export function paint(canvas, columns, x, width, loudest) {
  const bands = columns[0].length;
  const image = new ImageData(columns.length, bands);
  columns.forEach((column, i) =>
    column.forEach((decibels, band) => {
      const value = Math.min(Math.max(1 + (decibels - loudest) / RANGE_DB, 0), 1);
      image.data.set([...COLOURS[Math.round(255 * value)], 255], 4 * ((bands - 1 - band) * columns.length + i));
    })
  );
  const small = new OffscreenCanvas(columns.length, bands);
  small.getContext("2d").putImageData(image, 0, 0);
  canvas.getContext("2d").drawImage(small, x, 0, columns.length * width, canvas.height);
}

// Moves what is on a canvas to the left.
export function scroll(canvas, pixels) {
  canvas.getContext("2d").drawImage(canvas, -pixels, 0);
}

// Returns for each of `count` bands, equally wide in mel, its first and last bin of an FFT at a rate in Hz.
export function melBins(count, bins, rate) {
  const mel = (hertz) => 2595 * Math.log10(1 + hertz / 700);
  const bin = (band) => (700 * (10 ** ((band / count) * mel(rate / 2) / 2595) - 1)) / (rate / 2) * bins;
  return Array.from({ length: count }, (_, band) => {
    const first = Math.min(Math.floor(bin(band)), bins - 1);
    return [first, Math.max(first + 1, Math.min(Math.ceil(bin(band + 1)), bins))];
  });
}
