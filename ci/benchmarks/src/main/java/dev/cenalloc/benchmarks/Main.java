// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.benchmarks;

import java.util.Collection;
import java.util.Comparator;
import java.util.Locale;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.CommandLineOptionException;
import org.openjdk.jmh.runner.options.CommandLineOptions;

/** Takes JMH's options, runs JMH, and prints tables that show how time grows with the work, and with the threads. */
final class Main {
    private Main() {}

    public static void main(String[] arguments) throws CommandLineOptionException, RunnerException {
        Collection<RunResult> results = new Runner(new CommandLineOptions(arguments)).run();
        System.out.printf("%n%-10s%8s%8s%12s%12s%22s%n", "", "devices", "heaps", "µs", "± µs", "ns/(device x heap)");
        results.stream()
                .filter(result -> !isOfPool(result))
                .sorted(Comparator.comparing((RunResult result) -> label(result))
                        .thenComparingInt(result -> number(result, "heaps"))
                        .thenComparingInt(result -> number(result, "devices")))
                .forEach(Main::print);
        int processors = Runtime.getRuntime().availableProcessors();
        System.out.printf(
                "%n%-20s%8s%12s%12s%22s%n", "lend and give back", "threads", "ns", "± ns", "ns of a processor");
        results.stream()
                .filter(Main::isOfPool)
                .sorted(Comparator.comparingInt(result -> result.getParams().getThreads()))
                .forEach(result -> printPool(result, processors));
    }

    private static boolean isOfPool(RunResult result) {
        return result.getParams().getBenchmark().contains(PoolBenchmark.class.getSimpleName());
    }

    /** Threads beyond the processors wait for each other, which is not the pool's time. */
    private static void printPool(RunResult result, int processors) {
        Result<?> time = result.getPrimaryResult();
        int threads = result.getParams().getThreads();
        System.out.printf(
                Locale.ROOT,
                "%-20s%8d%12.1f%12.1f%22.1f%n",
                "",
                threads,
                time.getScore(),
                time.getScoreError(),
                time.getScore() * Math.min(threads, processors) / threads);
    }

    private static void print(RunResult result) {
        Result<?> time = result.getPrimaryResult();
        int devices = number(result, "devices");
        int heaps = number(result, "heaps");
        System.out.printf(
                Locale.ROOT,
                "%-10s%8d%8d%12.3f%12.3f%22.1f%n",
                label(result),
                devices,
                heaps,
                time.getScore(),
                time.getScoreError(),
                time.getScore() * 1000 / (devices * heaps));
    }

    private static String label(RunResult result) {
        return result.getPrimaryResult().getLabel();
    }

    /** Of a benchmark without parameters, those of the board or of the largest one. */
    private static int number(RunResult result, String parameter) {
        BenchmarkParams params = result.getParams();
        if (params.getParamsKeys().contains(parameter)) {
            return Integer.parseInt(params.getParam(parameter));
        }
        if (label(result).equals("board")) {
            return parameter.equals("devices") ? BoardBenchmark.DEVICES : BoardBenchmark.HEAPS;
        }
        return parameter.equals("devices") ? SolverBenchmark.Largest.DEVICES : SolverBenchmark.Largest.HEAPS;
    }
}
