import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

public class Account {
    private final String owner;
    private final List<BigDecimal> movements = new ArrayList<>();

    public Account(String owner) {
        this.owner = owner;
    }

    public void deposit(BigDecimal amount) {
        if (amount.signum() <= 0) {
            throw new IllegalArgumentException("amount must be positive");
        }
        movements.add(amount);
    }

    public void withdraw(BigDecimal amount) {
        if (balance().compareTo(amount) < 0) {
            throw new IllegalStateException("not enough money for " + owner);
        }
        movements.add(amount.negate());
    }

    public BigDecimal balance() {
        return movements.stream().reduce(BigDecimal.ZERO, BigDecimal::add);
    }

    public List<BigDecimal> getMovements() {
        return Collections.unmodifiableList(movements);
    }
}
