// charts: each specification stands beside its place; the colours follow the reader's light or dark setting
const dark = matchMedia("(prefers-color-scheme: dark)");
async function draw() {
  for (const place of document.querySelectorAll(".chart")) {
    const specification = JSON.parse(place.querySelector("script").textContent);
    const drawing = place.querySelector(".drawing") ?? place.appendChild(document.createElement("div"));
    drawing.className = "drawing";
    drawing.style.width = "100%";
    drawing.style.minWidth = `${specification.usermeta?.minWidth ?? 0}px`;
    await vegaEmbed(drawing, specification, {
      actions: false, renderer: "svg", logLevel: 1, theme: dark.matches ? "dark" : undefined,
      config: { background: "transparent" },
    });
  }
  document.documentElement.dataset.drawn = "yes";
}
if (window.vegaEmbed) { draw(); dark.addEventListener("change", draw); }

// players: a line moves over the spectrogram; a click into it plays from there
for (const clip of document.querySelectorAll(".clip")) {
  const sound = clip.querySelector("audio"), picture = clip.querySelector(".picture");
  if (!sound || !picture) continue;
  const line = picture.querySelector(".cursor");
  const [left, right] = [Number(picture.dataset.left), Number(picture.dataset.right)];
  const seconds = Number(picture.dataset.seconds);
  let frame = 0;
  const move = () => {
    line.style.display = "block";
    line.style.left = `${100 * (left + (right - left) * Math.min(1, sound.currentTime / seconds))}%`;
    frame = sound.paused ? 0 : requestAnimationFrame(move);
  };
  sound.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== sound) other.pause();
    if (!frame) frame = requestAnimationFrame(move);
  });
  sound.addEventListener("seeked", move);
  picture.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width - left) / (right - left);
    sound.currentTime = Math.max(0, Math.min(0.999, share)) * seconds;
    sound.play();
  });
}
