#include <cstddef>
#include <iostream>
#include <vector>

std::vector<int> primes_below(int limit) {
    std::vector<bool> composite(limit, false);
    std::vector<int> primes;
    for (int number = 2; number < limit; ++number) {
        if (composite[number]) {
            continue;
        }
        primes.push_back(number);
        for (long long multiple = 1LL * number * number; multiple < limit; multiple += number) {
            composite[multiple] = true;
        }
    }
    return primes;
}

int main() {
    for (int prime : primes_below(100)) {
        std::cout << prime << ' ';
    }
    std::cout << std::endl;
    return 0;
}
