// Making elements. Text from outside only ever becomes text: nothing here takes markup.

/** An element with properties, listeners (`onclick`), `data` attributes and children; what is null or false is left out. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...real(children));
  return element;
}

const real = (children) => children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);

/** Puts these in the place of what an element holds; what is null or false is left out. */
export function fill(element, ...children) {
  element.replaceChildren(...real(children));
}

/** A field with its label. */
export function field(text, input) {
  return h("label", {}, h("span", {}, text), input);
}

/** Shows what went wrong; the empty text takes the line away. */
export function complain(text) {
  const line = document.getElementById("problem");
  line.textContent = text;
  line.hidden = !text;
}

/** Runs what a form or button does, once at a time. A refusal of the API has been shown already. */
export function act(work) {
  return async (event) => {
    event.preventDefault();
    complain("");
    const button = event.submitter ?? event.currentTarget;
    if (button.disabled) return;
    button.disabled = true;
    try {
      await work(event);
    } catch (error) {
      if (!error.problem) complain(error.message);
    } finally {
      button.disabled = false;
    }
  };
}

/** Calls `work` now and every so many milliseconds, for as long as `element` is shown. */
export function every(milliseconds, element, work) {
  const again = async () => {
    if (!element.isConnected) return;
    await work().catch((error) => error.problem || complain(error.message));
    setTimeout(again, milliseconds);
  };
  queueMicrotask(again);
}
