// a line moves over the spectrogram as its sound plays; a click into the spectrogram plays from there
function partsOf(sound) {
  const picture = sound.closest(".player").querySelector(".picture");
  const narrow = picture.querySelector("img").currentSrc.includes("narrow");
  const [left, right] = (narrow ? picture.dataset.narrow : picture.dataset.axis).split(" ").map(Number);
  return { line: picture.querySelector(".cursor"), left, right, seconds: sound.duration || Infinity };
}
function move(sound) {
  const { line, left, right, seconds } = partsOf(sound);
  line.style.display = "block";
  line.style.left = `${100 * (left + (right - left) * Math.min(1, sound.currentTime / seconds))}%`;
}
// events of sound do not bubble, but they are seen on their way down
for (const kind of ["timeupdate", "seeked"]) {
  document.addEventListener(kind, (event) => { if (event.target.closest(".player")) move(event.target); }, true);
}
document.addEventListener("play", (event) => {
  const sound = event.target;
  for (const other of document.querySelectorAll("audio")) if (other !== sound) other.pause();
  const step = () => {  // between two timeupdates, which come four times a second
    if (!sound.isConnected || sound.paused) return;
    move(sound);
    requestAnimationFrame(step);
  };
  if (sound.closest(".player")) step();
}, true);
document.addEventListener("click", (event) => {
  // a key goes on to mean what it says on the buttons, whichever was clicked last
  if (event.detail && event.target.closest("button")) document.activeElement.blur();
  const picture = event.target.closest(".picture");
  if (!picture) return;
  const sound = picture.closest(".player").querySelector("audio");
  const { left, right, seconds } = partsOf(sound);
  const box = picture.getBoundingClientRect();
  const share = ((event.clientX - box.left) / box.width - left) / (right - left);
  if (seconds < Infinity) sound.currentTime = Math.max(0, Math.min(0.999, share)) * seconds;
  sound.play();
});
document.addEventListener("keydown", (event) => {
  const busy = event.target.closest("input, textarea, select, button, audio, .q-dialog");
  if (busy || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " ") {
    const sound = document.querySelector(".card audio");
    if (sound && !event.repeat) { if (sound.paused) sound.play(); else sound.pause(); }
  }
  if (event.key === " " || event.key.startsWith("Arrow")) event.preventDefault();
});
