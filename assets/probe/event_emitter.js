class EventEmitter {
  constructor() {
    this.listeners = new Map();
  }

  on(name, listener) {
    if (!this.listeners.has(name)) {
      this.listeners.set(name, []);
    }
    this.listeners.get(name).push(listener);
    return () => this.off(name, listener);
  }

  off(name, listener) {
    const found = this.listeners.get(name) || [];
    this.listeners.set(name, found.filter((other) => other !== listener));
  }

  emit(name, ...args) {
    for (const listener of this.listeners.get(name) || []) {
      listener(...args);
    }
  }
}

module.exports = { EventEmitter };
