interface Item {
  id: string;
  name: string;
  price: number;
  quantity: number;
}

export class Cart {
  private items: Map<string, Item> = new Map();

  add(item: Item): void {
    const existing = this.items.get(item.id);
    if (existing) {
      existing.quantity += item.quantity;
    } else {
      this.items.set(item.id, { ...item });
    }
  }

  remove(id: string): boolean {
    return this.items.delete(id);
  }

  get total(): number {
    let sum = 0;
    for (const item of this.items.values()) {
      sum += item.price * item.quantity;
    }
    return Math.round(sum * 100) / 100;
  }
}
