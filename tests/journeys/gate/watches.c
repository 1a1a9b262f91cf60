/* Healthy watches of a day, drawn and followed as watches.py does it, a hundred times as fast. */

#include <math.h>
#include <stdint.h>

static uint64_t next(uint64_t *state) { /* splitmix64 */
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double uniform(uint64_t *state) { return ((double)(next(state) >> 11) + 0.5) * 0x1.0p-53; }

/* The next run: seconds without a bad outcome, and how many there are in the one after them.
   chances[b]: of b bad ones in a second, b from 0 to most. */
static int draw(uint64_t *state, const double *chances, int most, long *quiet) {
    double drawn = uniform(state) * (1 - chances[0]);
    int bad = 1;
    *quiet = (long)(log(uniform(state)) / log(chances[0]));
    while (bad < most && (drawn -= chances[bad]) > 0) bad++;
    return bad;
}

/* quiet[j]: what a second without a bad outcome does to bet j; factors[b * bets + j]: one with b of them.
   Fills in the first `kept` runs that were drawn; returns the highest mean wealth. */
double highest(uint64_t seed, const double *chances, int most, const double *quiet, const double *factors, int bets,
               long seconds, double enough, long kept, long *runs) {
    double wealth[64] = {0}, best = 0;
    long at = 0, number = 0;
    while (1) {
        long still;
        int bad = draw(&seed, chances, most, &still);
        double sum = 0;
        at += still + 1;
        if (at > seconds || best >= enough) return best;
        if (number < kept) {
            runs[2 * number] = still;
            runs[2 * number + 1] = bad;
            number++;
        }
        for (int j = 0; j < bets; j++) {
            double f = quiet[j], m = wealth[j];
            if (still < 16) {
                for (long k = 0; k < still; k++) m = (m + 1) * f;
            } else {
                double part = pow(f, (double)still);
                m = m * part + f * (1 - part) / (1 - f);
            }
            wealth[j] = (m + 1) * factors[bad * bets + j];
            sum += wealth[j];
        }
        sum /= bets;
        if (sum > best) best = sum;
    }
}
