#include <condition_variable>
#include <mutex>
#include <optional>
#include <queue>

template <typename T>
class ThreadQueue {
public:
    void push(T item) {
        {
            std::lock_guard<std::mutex> lock(mutex_);
            items_.push(std::move(item));
        }
        ready_.notify_one();
    }

    T pop() {
        std::unique_lock<std::mutex> lock(mutex_);
        ready_.wait(lock, [this] { return !items_.empty(); });
        T item = std::move(items_.front());
        items_.pop();
        return item;
    }

private:
    std::mutex mutex_;
    std::condition_variable ready_;
    std::queue<T> items_;
};
