// Watches a slider and a picture. `events`: each value of the slider, with the time of the mouse move that made it.
// `frames`: each picture, with the time at which it was painted and a hash of its pixels. Times in ms, one clock.
([slider, image]) => {
  const seen = { events: [], frames: [] };
  const origin = slider.querySelector(".noUi-origin");
  const handle = slider.querySelector(".noUi-handle");
  const position = () => origin.style.transform; // aria-valuenow is rounded to 0.1
  let moved = performance.now();
  let last = position();
  window.addEventListener("pointermove", event => (moved = event.timeStamp), true);
  new MutationObserver(() => {
    if (position() == last) return;
    last = position();
    seen.events.push({ time: moved, position: last, value: handle.getAttribute("aria-valuetext") });
  }).observe(origin, { attributes: true, attributeFilter: ["style"] });

  const hash = () => {
    const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const words = new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    return words.reduce((h, word) => Math.imul(h ^ word, 16777619), 2166136261); // FNV-1a
  };
  const painted = () => { // a task that is posted from an animation frame runs after its paint
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      const time = performance.now();
      if (image.naturalWidth) seen.frames.push({ time, picture: hash() }); // 0: the next one is on its way
    };
    channel.port2.postMessage(null);
  };
  new MutationObserver(async () => {
    await image.decode().catch(() => null); // refused where a newer picture replaced this one: that one is recorded
    requestAnimationFrame(painted);
  }).observe(image, { attributes: true, attributeFilter: ["src"] });
  return seen;
}
