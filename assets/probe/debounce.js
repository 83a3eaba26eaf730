// Call a function once things have been quiet for a while.
function debounce(callback, delay) {
  let timer = null;
  return function (...args) {
    if (timer !== null) {
      clearTimeout(timer);
    }
    timer = setTimeout(() => {
      timer = null;
      callback.apply(this, args);
    }, delay);
  };
}

const input = document.querySelector("#search");
const list = document.querySelector("#results");

input.addEventListener(
  "input",
  debounce(async (event) => {
    const query = encodeURIComponent(event.target.value);
    const response = await fetch(`/api/search?q=${query}`);
    const items = await response.json();
    list.innerHTML = "";
    for (const item of items) {
      const entry = document.createElement("li");
      entry.textContent = item.name;
      list.appendChild(entry);
    }
  }, 300)
);
