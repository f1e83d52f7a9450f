import de.jplag.JPlag;
import de.jplag.JPlagComparison;
import de.jplag.JPlagResult;
import de.jplag.options.JPlagOptions;
import de.jplag.python3.PythonLanguage;
import java.io.File;
import java.util.Set;

/** Prints the similarity of every two programs in a folder: name, name and similarity, with tabs between. */
class Pairs {
    public static void main(String[] arguments) throws Exception {
        JPlagOptions options = new JPlagOptions(new PythonLanguage(), Set.of(new File(arguments[0])), Set.of())
                .withMaximumNumberOfComparisons(JPlagOptions.SHOW_ALL_COMPARISONS)
                .withSimilarityThreshold(0);
        JPlagResult result = JPlag.run(options);
        for (JPlagComparison each : result.getAllComparisons()) {
            System.out.println(
                    each.firstSubmission().getName() + "\t" + each.secondSubmission().getName() + "\t" + each.similarity());
        }
    }
}
