#pragma once

#include <cmath>
#include <ostream>

struct Point {
    double x = 0.0;
    double y = 0.0;

    Point operator+(const Point& other) const { return {x + other.x, y + other.y}; }
    Point operator-(const Point& other) const { return {x - other.x, y - other.y}; }
    Point operator*(double factor) const { return {x * factor, y * factor}; }

    bool operator==(const Point& other) const = default;

    double length() const { return std::sqrt(x * x + y * y); }
};

inline double distance(const Point& a, const Point& b) {
    return (a - b).length();
}

inline std::ostream& operator<<(std::ostream& out, const Point& point) {
    return out << '(' << point.x << ", " << point.y << ')';
}
