#include <stdio.h>

/* Adds up what the box office took. */
static double total(const double *takings, int n) {
	double sum = 0;
	for (int i = 0; i < n; i++)
		sum += takings[i];
	return sum;
}

int main(void) {
	const double takings[] = {812.5, 1204.0, 967.25};
	printf("%.2f\n", total(takings, 3));
	return 0;
}
