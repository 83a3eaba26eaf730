class Inventory
  Item = Struct.new(:name, :price, :count)

  def initialize
    @items = {}
  end

  def add(name, price:, count: 1)
    item = @items[name] ||= Item.new(name, price, 0)
    item.count += count
    self
  end

  def total
    @items.values.sum { |item| item.price * item.count }
  end

  def each(&block)
    @items.values.sort_by(&:name).each(&block)
  end

  def to_s
    @items.values.map { |item| "#{item.name}: #{item.count}" }.join(", ")
  end
end
