export interface Seat {
  row: string;
  number: number;
  taken?: boolean;
}

export function free(seats: readonly Seat[]): Seat[] {
  return seats.filter((seat) => !seat.taken);
}
