#include <iostream>
#include <map>
#include <string>

class House {
public:
	void sell(const std::string &row, int seats) { sold[row] += seats; }
	int taken() const;

private:
	std::map<std::string, int> sold;
};

int House::taken() const {
	int n = 0;
	for (const auto &[row, seats] : sold)
		n += seats;
	return n;
}

int main() {
	House house;
	house.sell("A", 12);
	house.sell("B", 30);
	std::cout << house.taken() << std::endl;
}
