import java.util.Arrays;

public final class MergeSort {
    private MergeSort() {
    }

    public static int[] sort(int[] values) {
        if (values.length < 2) {
            return values.clone();
        }
        int middle = values.length / 2;
        int[] left = sort(Arrays.copyOfRange(values, 0, middle));
        int[] right = sort(Arrays.copyOfRange(values, middle, values.length));
        return merge(left, right);
    }

    private static int[] merge(int[] left, int[] right) {
        int[] result = new int[left.length + right.length];
        int i = 0;
        int j = 0;
        for (int k = 0; k < result.length; k++) {
            if (j == right.length || (i < left.length && left[i] <= right[j])) {
                result[k] = left[i++];
            } else {
                result[k] = right[j++];
            }
        }
        return result;
    }
}
