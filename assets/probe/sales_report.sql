WITH monthly AS (
    SELECT
        customer_id,
        DATE_TRUNC('month', ordered_at) AS month,
        SUM(quantity * unit_price) AS revenue
    FROM orders
    WHERE status <> 'cancelled'
    GROUP BY customer_id, DATE_TRUNC('month', ordered_at)
)
SELECT
    customers.name,
    monthly.month,
    monthly.revenue,
    SUM(monthly.revenue) OVER (
        PARTITION BY monthly.customer_id
        ORDER BY monthly.month
    ) AS running_total
FROM monthly
JOIN customers ON customers.id = monthly.customer_id
ORDER BY customers.name, monthly.month;
